/** The Version tab of a task instance: try by try. */
import { Stack } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { taskQuery } from "src/api/runs";
import { Choice } from "src/components/Choice";
import { PageLink } from "src/components/labels";
import { Loaded } from "src/components/states";
import { FailureBar, hasFailed } from "src/features/version/FailureBar";
import { TaskTries } from "src/features/version/TaskTries";
import { VersionCode } from "src/features/version/VersionCode";

interface Props {
  dagId: string;
  runId: string;
  taskId: string;
  mapIndex: number;
}

export default function TaskVersion({ dagId, runId, taskId, mapIndex }: Props) {
  const task = useQuery(taskQuery(dagId, runId, taskId, mapIndex));
  const [chosen, setChosen] = useState<string>();
  const there = `/dags/${encodeURIComponent(dagId)}/plugin/dag-history?until=${encodeURIComponent(runId)}&run=${encodeURIComponent(runId)}&task=${encodeURIComponent(taskId)}`;
  return (
    <Loaded query={task}>
      {(data) => {
        const attempt = data.tries.find(({ try_number: number }) => String(number) === chosen) ?? data.tries.at(-1);
        const version = data.versions[attempt?.version ?? data.version];
        return (
          <Stack gap={4}>
            <FailureBar dagId={dagId} runId={runId} version={data.versions[data.version]} failed={hasFailed(data.state)} onlyFailed />
            <TaskTries dagId={dagId} task={data} />
            {data.tries.length > 1 ? (
              <Choice
                label="Files of try"
                value={String(attempt?.try_number)}
                options={data.tries.map((one) => ({ value: String(one.try_number), label: String(one.try_number) }))}
                onChange={setChosen}
              />
            ) : undefined}
            {version === undefined || version.build === null ? undefined : <VersionCode key={version.key} dagId={dagId} version={version} />}
            <PageLink to={there}>See this task in the Dag&apos;s history</PageLink>
          </Stack>
        );
      }}
    </Loaded>
  );
}
