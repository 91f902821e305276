/** The Version tab of a run: which release, build and commit, and how it was bound to it. */
import { Stack } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { runVersionsQuery } from "src/api/runs";
import { Choice } from "src/components/Choice";
import { PageLink } from "src/components/labels";
import { Loaded } from "src/components/states";
import { nameOf } from "src/components/version/names";
import { FailureBar, hasFailed } from "src/features/version/FailureBar";
import { RunBindings } from "src/features/version/RunBindings";
import { VersionCode } from "src/features/version/VersionCode";

export default function RunVersion({ dagId, runId }: { dagId: string; runId: string }) {
  const run = useQuery(runVersionsQuery(dagId, runId));
  const [chosen, setChosen] = useState<string>();
  return (
    <Loaded query={run}>
      {(data) => {
        const key = chosen ?? data.version;
        const version = data.versions[key];
        return (
          <Stack gap={4}>
            <FailureBar dagId={dagId} runId={runId} version={data.versions[data.version]} failed={hasFailed(data.state)} onlyFailed />
            <RunBindings dagId={dagId} run={data} />
            {data.used.length > 1 ? (
              <Choice label="Files of" value={key} options={data.used.map((value) => ({ value, label: nameOf(data.versions[value], value) }))} onChange={setChosen} />
            ) : undefined}
            {version === undefined || version.build === null ? undefined : <VersionCode key={key} dagId={dagId} version={version} />}
            <PageLink to={`/dags/${encodeURIComponent(dagId)}/plugin/dag-history?until=${encodeURIComponent(runId)}&run=${encodeURIComponent(runId)}`}>
              See this run in the Dag&apos;s history
            </PageLink>
          </Stack>
        );
      }}
    </Loaded>
  );
}
