/** Clear a run or a task: what will run again on which build is shown first, and the build can be chosen. */
import { Alert, Box, Button, Checkbox, Field, NativeSelect, RadioGroup, Stack, Table, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { buildsQuery } from "src/api/builds";
import { requestKey } from "src/api/client";
import { keys } from "src/api/keys";
import { clearPreviewQuery, clearRun } from "src/api/runs";
import type { ClearPreview } from "src/api/runs";
import { isDated, timelineQuery } from "src/api/timeline";
import type { Version } from "src/api/versions";
import { buildOfDate } from "src/components/dates";
import { CommandLine } from "src/components/dialogs/CommandLine";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { State } from "src/components/labels";
import { Radio } from "src/components/Radio";
import { ErrorState, Loading } from "src/components/states";
import { useCalm } from "src/components/useCalm";
import { fullNameOf, nameOf } from "src/components/version/names";

interface Props {
  dagId: string;
  runId: string;
  taskId?: string;
  /** What is known of the versions that take part. */
  versions: Record<string, Version>;
  /** What the run is bound to. */
  current: Version | undefined;
  active: Version | undefined;
  onClose: () => void;
}

const SHOWN = 200;

const instances = (count: number) => `${count} task ${count === 1 ? "instance" : "instances"}`;

/** Mounted while it is open. */
export function ClearDialog({ dagId, runId, taskId, versions, current, active, onClose }: Props) {
  const client = useQueryClient();
  const [choice, setChoice] = useState<string>();
  const [other, setOther] = useState<number>();
  const [downstream, setDownstream] = useState(true);
  const [upstream, setUpstream] = useState(false);
  const [onlyFailed, setOnlyFailed] = useState(false);
  const [reason, setReason] = useState("");
  const [key] = useState(requestKey);
  const timeline = useQuery(timelineQuery(dagId));
  const dated = isDated(timeline.data);
  const where = choice ?? (dated ? "date" : "same");
  const build = where === "active" ? (active?.build ?? undefined) : where === "other" ? other : undefined;
  const wanted = {
    build,
    by_date: where === "date",
    task_ids: taskId === undefined ? undefined : [taskId],
    downstream: taskId !== undefined && downstream,
    upstream: taskId !== undefined && upstream,
    only_failed: onlyFailed,
  };
  const preview = useQuery({
    ...clearPreviewQuery(dagId, runId, wanted),
    // What is chosen at first depends on the timeline.
    enabled: !timeline.isLoading && (where !== "other" || other !== undefined),
  });
  // Asked for beside the preview: a letter typed must not change what is shown.
  const calm = useCalm(reason.trim());
  const withReason = useQuery({
    ...clearPreviewQuery(dagId, runId, { ...wanted, reason: calm }),
    enabled: preview.data !== undefined && calm !== "",
  });
  const builds = useQuery({ ...buildsQuery(dagId), enabled: where === "other" });
  const clear = useMutation({
    mutationFn: () =>
      clearRun(
        dagId,
        runId,
        {
          build,
          by_date: where === "date",
          only_failed: onlyFailed,
          task_ids: taskId === undefined ? undefined : preview.data?.tasks,
          reason: reason.trim() === "" ? undefined : reason.trim(),
          plan: false,
        },
        key,
      ),
    onSuccess: () => void client.invalidateQueries({ queryKey: keys.dag(dagId) }),
  });
  const command = ((calm === "" ? undefined : withReason.data) ?? preview.data)?.command;
  const count = preview.data?.task_instances.length ?? 0;
  return (
    <DialogFrame
      title={taskId === undefined ? `Clear run ${runId}` : `Clear ${taskId} in run ${runId}`}
      testId="clear-dialog"
      size="xl"
      onClose={onClose}
      footer={
        <>
          {clear.data === undefined && command ? <CommandLine command={command} /> : undefined}
          <Button variant="outline" onClick={onClose}>
            {clear.data === undefined ? "Cancel" : "Close"}
          </Button>
          {clear.data === undefined ? (
            <Button
              colorPalette="brand"
              loading={clear.isPending}
              disabled={preview.data === undefined || preview.isFetching || preview.data.refusal !== null}
              onClick={() => clear.mutate()}
            >
              {count > 0 ? `Clear ${instances(count)}` : "Clear"}
            </Button>
          ) : undefined}
        </>
      }
    >
      {clear.data === undefined ? (
        <Stack gap={4}>
          <RadioGroup.Root value={where} onValueChange={({ value }) => setChoice(value ?? undefined)}>
            <Stack gap={2}>
              <Text fontWeight="bold">Run again on</Text>
              {dated ? <Radio value="date" label={buildOfDate(timeline.data?.dated_by ?? null)} /> : undefined}
              <Radio value="same" label={`What the run is bound to: ${fullNameOf(current)}`} />
              {active !== undefined && active.key !== current?.key ? <Radio value="active" label={`The active one: ${fullNameOf(active)}`} /> : undefined}
              <Radio value="other" label="Another build" />
            </Stack>
          </RadioGroup.Root>
          {where === "other" ? (
            <NativeSelect.Root size="sm">
              <NativeSelect.Field aria-label="Build" value={other ?? ""} onChange={(event) => setOther(Number(event.currentTarget.value) || undefined)}>
                <option value="">Choose a build</option>
                {(builds.data?.builds ?? [])
                  .filter((one) => one.build !== null)
                  .map((one) => (
                    <option key={one.build} value={one.build ?? ""}>
                      Build {one.build} {one.label ?? ""} {one.bundle_version?.slice(0, 8)} {one.message?.split("\n")[0]}
                    </option>
                  ))}
              </NativeSelect.Field>
              <NativeSelect.Indicator />
            </NativeSelect.Root>
          ) : undefined}
          <Stack direction="row" gap={4} wrap="wrap">
            {taskId === undefined ? undefined : (
              <>
                <Check label="Downstream tasks too" checked={downstream} onChange={setDownstream} />
                <Check label="Upstream tasks too" checked={upstream} onChange={setUpstream} />
              </>
            )}
            <Check label="Only failed ones" checked={onlyFailed} onChange={setOnlyFailed} />
          </Stack>
          {preview.isLoading || timeline.isLoading ? <Loading rows={3} label="Working out what would run" /> : undefined}
          {preview.error === null ? undefined : <ErrorState error={preview.error} />}
          {preview.data === undefined ? undefined : <Previewed preview={preview.data} versions={versions} />}
          <Field.Root>
            <Field.Label>Reason</Field.Label>
            <Textarea maxLength={10_000} value={reason} onChange={(event) => setReason(event.target.value)} placeholder="Why? It is kept in the events and in the audit log." />
          </Field.Root>
          {clear.error === null ? undefined : <ErrorState error={clear.error} />}
        </Stack>
      ) : (
        <Success>
          {clear.data.changed
            ? `${instances(clear.data.cleared)} ${clear.data.cleared === 1 ? "runs" : "run"} again on build ${clear.data.build}`
            : "Nothing was there to clear: the run is as it was"}
        </Success>
      )}
    </DialogFrame>
  );
}

function Check({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <Checkbox.Root checked={checked} onCheckedChange={(event) => onChange(event.checked === true)}>
      <Checkbox.HiddenInput />
      <Checkbox.Control />
      <Checkbox.Label>{label}</Checkbox.Label>
    </Checkbox.Root>
  );
}

/** What will run on what, and what to know before it does. */
function Previewed({ preview, versions }: { preview: ClearPreview; versions: Record<string, Version> }) {
  const named = (key: string | null) =>
    key === null ? "–" : key in versions ? nameOf(versions[key], key) : key.replace(/^r/, "Release ").replace(/^t/, "Build ");
  return (
    <Stack gap={2} data-testid="clear-preview">
      {preview.refusal === null ? undefined : <Note status="error" text={preview.refusal} />}
      {preview.refused.map(({ task_id: task, why }) => (
        <Note key={task} status="error" text={why} />
      ))}
      {preview.warnings.map((warning) => (
        <Note key={warning} status="warning" text={warning} />
      ))}
      {preview.task_instances.length === 0 ? undefined : (
        <Table.ScrollArea maxHeight="30vh" borderWidth="1px" borderRadius="md" tabIndex={0}>
          <Table.Root size="sm" stickyHeader aria-label="What will run">
            <Table.Header>
              <Table.Row>
                <Table.ColumnHeader>Task</Table.ColumnHeader>
                <Table.ColumnHeader>State</Table.ColumnHeader>
                <Table.ColumnHeader>Ran on</Table.ColumnHeader>
                <Table.ColumnHeader>Will run on</Table.ColumnHeader>
              </Table.Row>
            </Table.Header>
            <Table.Body>
              {preview.task_instances.slice(0, SHOWN).map((one) => (
                <Table.Row key={`${one.task_id}\n${one.map_index}`}>
                  <Table.Cell>
                    {one.task_id}
                    {one.map_index < 0 ? "" : ` [${one.map_index}]`}
                  </Table.Cell>
                  <Table.Cell>
                    <State state={one.state} />
                  </Table.Cell>
                  <Table.Cell>{named(one.from_version)}</Table.Cell>
                  <Table.Cell>{named(preview.version)}</Table.Cell>
                </Table.Row>
              ))}
              {preview.added.map((task) => (
                <Table.Row key={`new ${task}`}>
                  <Table.Cell>{task}</Table.Cell>
                  <Table.Cell>new</Table.Cell>
                  <Table.Cell>–</Table.Cell>
                  <Table.Cell>{named(preview.version)}</Table.Cell>
                </Table.Row>
              ))}
            </Table.Body>
          </Table.Root>
        </Table.ScrollArea>
      )}
      {preview.task_instances.length > SHOWN ? <Box color="fg.muted">and {preview.task_instances.length - SHOWN} more</Box> : undefined}
    </Stack>
  );
}

function Note({ status, text }: { status: "error" | "warning"; text: string }) {
  return (
    <Alert.Root status={status} size="sm">
      <Alert.Indicator />
      <Alert.Title>{text}</Alert.Title>
    </Alert.Root>
  );
}
