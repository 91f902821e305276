/** The structure of one version, with the states of what ran on it in one run. */
import { Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { runCellsQuery } from "src/api/history";
import { graphQuery } from "src/api/versions";
import type { Version } from "src/api/versions";
import { TaskGraph } from "src/components/graph/TaskGraph";
import { Loaded } from "src/components/states";
import { nameOf } from "src/components/version/names";
import { BeforePinwheel } from "src/components/version/VersionFacts";

interface Props {
  dagId: string;
  runId: string;
  version: Version;
  versions: Record<string, Version>;
  mixed: boolean;
  selected?: string;
  onSelect?: (taskId: string) => void;
}

export function VersionGraph({ dagId, runId, version, versions, mixed, selected, onSelect }: Props) {
  const graph = useQuery(graphQuery(dagId, version));
  const taskIds = useMemo(() => graph.data?.nodes.map(({ id }) => id), [graph.data]);
  const cells = useQuery(runCellsQuery(dagId, runId, taskIds));
  const { states, notes } = useMemo(() => {
    const ran: Record<string, string | null> = {};
    const said: Record<string, string> = {};
    (taskIds ?? []).forEach((id, index) => {
      const cell = cells.data?.cells[0]?.[index];
      if (cell === null || cell === undefined) return;
      // Of a mixed run each graph shows what ran on its own version; the others say where they ran.
      if (cell.states && version.key in cell.states) ran[id] = cell.states[version.key] ?? null;
      else if (cell.version === version.key) ran[id] = cell.state;
      // Short, as it stands in the task's corner.
      if (mixed && cell.version !== version.key) said[id] = cell.version;
    });
    return { states: ran, notes: said };
  }, [taskIds, cells.data, version.key, mixed]);
  if (version.key === "unknown") return <BeforePinwheel dagId={dagId} version={version} />;
  return (
    <Loaded query={graph}>
      {(data) => (
        <>
          {mixed ? (
            <Text color="fg.muted" fontSize="sm" mb={1}>
              {nameOf(version)}: only what ran on it has a state here. Other tasks bear the version of their last try:{" "}
              {[...new Set(Object.values(notes))].map((key) => `${key} is ${nameOf(versions[key], key)}`).join(", ") || "none does"}.
            </Text>
          ) : undefined}
          <TaskGraph
            nodes={data.nodes}
            edges={data.edges}
            groups={data.groups}
            label={`Graph of ${nameOf(version)}`}
            states={states}
            notes={notes}
            selected={selected}
            onSelect={onSelect}
          />
        </>
      )}
    </Loaded>
  );
}
