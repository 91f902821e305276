/** One run on one build, released or not; the active release stays what it is. */
import { Button, Field, Input, RadioGroup, Stack, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { requestKey } from "src/api/client";
import { keys } from "src/api/keys";
import { runPlanQuery, startRun } from "src/api/runs";
import type { Schemas } from "src/api/schemas";
import { isDated, timelineQuery } from "src/api/timeline";
import { buildOfDate } from "src/components/dates";
import { CommandLine } from "src/components/dialogs/CommandLine";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { PageLink } from "src/components/labels";
import { Radio } from "src/components/Radio";
import { ErrorState } from "src/components/states";
import { useTimezone } from "src/components/time";
import { useCalm } from "src/components/useCalm";
import { instantOf } from "src/components/zoned";
import { confOf } from "src/features/releases/conf";

interface Props {
  dagId: string;
  build: number;
  /** It is what other runs use too. */
  active: boolean;
  onClose: () => void;
}

export function TryDialog({ dagId, build, active, onClose }: Props) {
  const client = useQueryClient();
  const timezone = useTimezone();
  const [choice, setChoice] = useState<string>();
  const timeline = useQuery(timelineQuery(dagId));
  const dated = isDated(timeline.data);
  // Of a build that somebody wants to try, that one.
  const byDate = dated && (choice ?? (active ? "date" : "build")) === "date";
  const [date, setDate] = useState("");
  const [conf, setConf] = useState("");
  const [runId, setRunId] = useState("");
  const [reason, setReason] = useState("");
  const [key] = useState(requestKey);

  let parsed: Record<string, unknown> | undefined;
  let wrong: string | undefined;
  try {
    parsed = confOf(conf);
  } catch (error) {
    wrong = error instanceof Error ? error.message : String(error);
  }
  const logicalDate = date === "" ? undefined : instantOf(date, timezone);
  const body = {
    ...(byDate ? { by_date: true } : { build }),
    run_id: runId.trim() === "" ? undefined : runId.trim(),
    logical_date: logicalDate,
    conf: parsed,
    reason: reason.trim() === "" ? undefined : reason.trim(),
  };
  const asked = useCalm(JSON.stringify(body));
  const start = useMutation({
    mutationFn: () => startRun(dagId, { ...body, plan: false }, key),
    onSuccess: () => client.invalidateQueries({ queryKey: keys.dag(dagId) }),
  });
  const made = start.data;
  const planned = useQuery({
    ...runPlanQuery(dagId, JSON.parse(asked) as typeof body),
    // A plan of what was just done would be refused: that run is there already.
    enabled: asked === JSON.stringify(body) && !timeline.isLoading && wrong === undefined && !start.isPending && made === undefined,
  });

  return (
    <DialogFrame
      title={active ? `Run ${dagId} once` : `Try build ${build} of ${dagId} once`}
      testId="try-dialog"
      size="lg"
      onClose={onClose}
      footer={
        <>
          {made === undefined && planned.data?.command ? <CommandLine command={planned.data.command} /> : undefined}
          <Button variant="outline" onClick={onClose}>
            {made === undefined ? "Cancel" : "Close"}
          </Button>
          {made === undefined ? (
            <Button
              colorPalette="brand"
              loading={start.isPending}
              disabled={wrong !== undefined || planned.error !== null}
              onClick={() => start.mutate()}
            >
              Start the run
            </Button>
          ) : undefined}
        </>
      }
    >
      {made === undefined ? (
        <Stack gap={4}>
          {dated ? (
            <RadioGroup.Root value={byDate ? "date" : "build"} onValueChange={({ value }) => setChoice(value ?? undefined)}>
              <Stack gap={2}>
                <Text fontWeight="bold">Run on</Text>
                <Radio value="date" label={buildOfDate(timeline.data?.dated_by ?? null)} />
                <Radio value="build" label={`Build ${build}, whatever its date`} />
              </Stack>
            </RadioGroup.Root>
          ) : undefined}
          <Text color="fg.muted" fontSize="sm">
            One run starts on {byDate ? placeOf(planned.data) : `build ${build}`}. What is active stays active, and no other run is touched.
          </Text>
          <Field.Root>
            <Field.Label>Logical date</Field.Label>
            <Input type="datetime-local" step={1} value={date} onChange={(event) => setDate(event.target.value)} />
            <Field.HelperText>In {timezone}. Leave it empty for a run without one.</Field.HelperText>
          </Field.Root>
          <Field.Root invalid={wrong !== undefined}>
            <Field.Label>Configuration (JSON)</Field.Label>
            <Textarea
              fontFamily="mono"
              rows={4}
              value={conf}
              placeholder={"{}"}
              onChange={(event) => setConf(event.target.value)}
            />
            <Field.ErrorText>{wrong}</Field.ErrorText>
          </Field.Root>
          <Field.Root>
            <Field.Label>Run id</Field.Label>
            <Input value={runId} maxLength={250} onChange={(event) => setRunId(event.target.value)} />
            <Field.HelperText>Without one Airflow makes it.</Field.HelperText>
          </Field.Root>
          <Field.Root>
            <Field.Label>Reason</Field.Label>
            <Input value={reason} maxLength={1000} onChange={(event) => setReason(event.target.value)} />
          </Field.Root>
          {start.error !== null ? (
            <ErrorState error={start.error} />
          ) : planned.error === null ? undefined : (
            <ErrorState error={planned.error} />
          )}
        </Stack>
      ) : (
        <Success>
          Run <PageLink to={`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(made.run_id)}`}>{made.run_id}</PageLink> is on
          its way, on {byDate ? placeOf(made) : `build ${made.build}`}.
        </Success>
      )}
    </DialogFrame>
  );
}

/** What its date chose, once that is known; a run that can not be bound yet is on nothing. */
function placeOf(run: Pick<Schemas["TriggeredRun"], "build" | "bundle_version"> | undefined): string {
  if (run === undefined) return "the build of its date";
  return run.bundle_version === null ? "the build of its date, as soon as that is ready" : `build ${run.build}, that of its date`;
}
