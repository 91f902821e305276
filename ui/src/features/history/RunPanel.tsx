/** A chosen run: its graph and code on each version that took part. */
import { Badge, Button, HStack } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { runVersionsQuery } from "src/api/runs";
import { PageLink, State } from "src/components/labels";
import { Loaded } from "src/components/states";
import { VersionMark } from "src/components/version/VersionFacts";
import { ClearDialog } from "src/features/history/ClearDialog";
import { Panel, VersionToggle } from "src/features/history/Panel";
import { useChoice } from "src/features/history/useChoice";
import { RunBindings, VersionCode, VersionGraph } from "src/features/version";

interface Props {
  dagId: string;
  runId: string;
  mayClear: boolean;
  /** To be compared. */
  marked: boolean;
  onMark: () => void;
}

export function RunPanel({ dagId, runId, mayClear, marked, onMark }: Props) {
  const run = useQuery(runVersionsQuery(dagId, runId));
  const { view = "graph", version: chosen, choose } = useChoice();
  const [clearing, setClearing] = useState(false);
  return (
    <Loaded query={run}>
      {(data) => {
        const key = chosen !== undefined && data.used.includes(chosen) ? chosen : data.version;
        const version = data.versions[key];
        const shown = ["graph", "code", "versions"].includes(view) ? view : "graph";
        return (
          <Panel
            label="Chosen run"
            title={<PageLink to={`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`}>{runId}</PageLink>}
            marks={
              <HStack wrap="wrap" data-testid="run-versions">
                <State state={data.state} />
                {data.mixed ? (
                  <Badge colorPalette="orange" variant="subtle">
                    mixed versions
                  </Badge>
                ) : undefined}
                {data.used.map((used) => (
                  <VersionMark key={used} keyName={used} version={data.versions[used]} active={used === data.active} />
                ))}
              </HStack>
            }
            actions={
              <HStack>
                <Button size="xs" variant="outline" aria-pressed={marked} onClick={onMark}>
                  {marked ? "Do not compare" : "Compare with…"}
                </Button>
                {mayClear ? (
                  <Button size="xs" variant="outline" onClick={() => setClearing(true)}>
                    Clear run…
                  </Button>
                ) : undefined}
              </HStack>
            }
            views={["graph", "code", "versions"]}
            view={shown}
          >
            {shown === "versions" ? undefined : <VersionToggle used={data.used} versions={data.versions} value={key} />}
            {shown === "graph" && version !== undefined ? (
              <VersionGraph
                dagId={dagId}
                runId={runId}
                version={version}
                versions={data.versions}
                mixed={data.mixed}
                onSelect={(task) => choose({ task, version: undefined })}
              />
            ) : undefined}
            {shown === "code" && version !== undefined ? <VersionCode key={key} dagId={dagId} version={version} /> : undefined}
            {shown === "versions" ? <RunBindings dagId={dagId} run={data} /> : undefined}
            {clearing ? <ClearDialog dagId={dagId} runId={runId} versions={data.versions} current={data.versions[data.version]} active={data.active === null ? undefined : data.versions[data.active]} onClose={() => setClearing(false)} /> : undefined}
          </Panel>
        );
      }}
    </Loaded>
  );
}
