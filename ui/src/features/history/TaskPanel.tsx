/** A chosen task instance: graph, code and log of each of its tries. */
import { Badge, Button, HStack, Stack } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { taskQuery } from "src/api/runs";
import type { TaskInstance } from "src/api/runs";
import { Choice } from "src/components/Choice";
import { PageLink, State } from "src/components/labels";
import { Empty, Loaded } from "src/components/states";
import { Tooltip } from "src/components/Tooltip";
import { nameOf } from "src/components/version/names";
import { VersionMark } from "src/components/version/VersionFacts";
import { ClearDialog } from "src/features/history/ClearDialog";
import { Instances } from "src/features/history/Instances";
import { Panel, VersionToggle } from "src/features/history/Panel";
import { useChoice } from "src/features/history/useChoice";
import { TaskTries, TryLog, VersionCode, VersionGraph } from "src/features/version";

const RUNNING = new Set(["running", "deferred", "queued", "restarting", "up_for_reschedule"]);

interface Props {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
}

export function TaskPanel({ dagId, runId, taskId, mapIndex }: Props) {
  const task = useQuery(taskQuery(dagId, runId, taskId, mapIndex));
  return <Loaded query={task}>{(data) => <Chosen dagId={dagId} data={data} />}</Loaded>;
}

function Chosen({ dagId, data }: { dagId: string; data: TaskInstance }) {
  const { view = "graph", version: chosen, try: asked, instances: only, choose } = useChoice();
  const [clearing, setClearing] = useState(false);
  const { run_id: runId, task_id: taskId, map_index: mapIndex, tries, versions } = data;
  const tried = tries.find(({ try_number: number }) => String(number) === asked) ?? tries.at(-1);
  // The version of the chosen try, unless another one of the run is asked for.
  const key = chosen !== undefined && chosen in versions ? chosen : (tried?.version ?? data.version);
  const version = versions[key];
  const shown = ["graph", "code", "log", "versions"].includes(view) ? view : "graph";
  const toggled = [...new Set([...data.run_versions, ...tries.map((one) => one.version)])];
  const number = tried?.try_number;
  return (
    <Panel
      label="Chosen task instance"
      title={
        <PageLink to={`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}/tasks/${encodeURIComponent(taskId)}${mapIndex < 0 ? "" : `/mapped/${mapIndex}`}`}>
          {taskId}
          {mapIndex < 0 ? "" : ` [${mapIndex}]`}
        </PageLink>
      }
      marks={
        <HStack wrap="wrap" data-testid="task-versions">
          <State state={tried?.state ?? data.state} />
          <VersionMark keyName={tried?.version ?? data.version} version={versions[tried?.version ?? data.version]} active={(tried?.version ?? data.version) === data.active} />
          {data.removed ? (
            <Badge colorPalette="gray" variant="outline">
              removed
            </Badge>
          ) : undefined}
          {data.upstream.length > 0 ? (
            <Tooltip content={data.upstream.map((one) => `${one.task_id}: ${nameOf(versions[one.version], one.version)}`).join("\n")}>
              <Badge colorPalette="orange" variant="subtle" tabIndex={0}>
                upstream on other versions: {data.upstream.length}
              </Badge>
            </Tooltip>
          ) : undefined}
          {data.total_instances > 1 || mapIndex >= 0 ? (
            <Instances data={data} only={only} onChoose={(index, instances) => choose({ map: String(index), instances, try: undefined, version: undefined })} />
          ) : undefined}
        </HStack>
      }
      actions={data.may_clear ? <ClearButton data={data} onClear={() => setClearing(true)} /> : undefined}
      views={["graph", "code", "log", "versions"]}
      view={shown}
    >
      <Stack gap={2}>
        {tries.length > 0 && shown !== "versions" ? (
          <Choice
            label="Try"
            value={String(number)}
            options={tries.map((one) => ({ value: String(one.try_number), label: String(one.try_number) }))}
            onChange={(value) => choose({ try: value, version: undefined })}
          />
        ) : undefined}
        {shown === "graph" || shown === "code" ? <VersionToggle used={toggled} versions={versions} value={key} /> : undefined}
      </Stack>
      {shown === "graph" && version !== undefined ? (
        <VersionGraph
          dagId={dagId}
          runId={runId}
          version={version}
          versions={versions}
          mixed={data.run_versions.length > 1}
          selected={taskId}
          onSelect={(other) => choose({ task: other, map: undefined, instances: undefined, try: undefined, version: undefined })}
        />
      ) : undefined}
      {shown === "code" && version !== undefined ? <VersionCode key={key} dagId={dagId} version={version} /> : undefined}
      {shown === "log" ? (
        number === undefined ? (
          <Empty title="No try has begun yet" />
        ) : (
          <TryLog dagId={dagId} runId={runId} taskId={taskId} mapIndex={mapIndex} tryNumber={number} running={RUNNING.has(tried?.state ?? "")} />
        )
      ) : undefined}
      {shown === "versions" ? <TaskTries dagId={dagId} task={data} /> : undefined}
      {clearing ? (
        <ClearDialog
          dagId={dagId}
          runId={runId}
          taskId={taskId}
          versions={versions}
          current={versions[data.run_version]}
          active={data.active === null ? undefined : versions[data.active]}
          onClose={() => setClearing(false)}
        />
      ) : undefined}
    </Panel>
  );
}

/** Disabled, with the reason, for a task that the active release has no more. */
function ClearButton({ data, onClear }: { data: TaskInstance; onClear: () => void }) {
  if (!data.removed) {
    return (
      <Button size="xs" variant="outline" onClick={onClear}>
        Clear task…
      </Button>
    );
  }
  const active = nameOf(data.versions[data.active ?? ""], "the active release");
  const why = `${data.task_id} is not in ${active}, so it would only fail. To run it again as it was, clear the whole run on the version that it ran on.`;
  return (
    <Tooltip content={why}>
      <Button size="xs" variant="outline" aria-disabled aria-describedby="why-not-cleared" opacity={0.5} cursor="not-allowed">
        Clear task…
        <span id="why-not-cleared" hidden>
          {why}
        </span>
      </Button>
    </Tooltip>
  );
}
