/** What the pointer or the focus is on, in words: state, versions, and of mixed runs those of the tasks before it. */
import { Box, Portal, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";

import type { Cell, GridRun } from "src/api/history";
import { taskQuery } from "src/api/runs";
import type { Version } from "src/api/versions";
import { Time } from "src/components/time";
import { fullNameOf, nameOf } from "src/components/version/names";
import type { Row } from "src/features/history/grid/rows";

export interface Hinted {
  runId: string;
  /** Of a row; undefined: the run itself. */
  key: string | undefined;
  left: number;
  top: number;
}

interface Props {
  dagId: string;
  at: Hinted;
  run: GridRun;
  row: Row | undefined;
  cell: Cell | null | undefined;
  versions: Record<string, Version>;
}

export function Hint({ dagId, at, run, row, cell, versions }: Props) {
  return (
    <Portal>
      <Box
        role="tooltip"
        data-testid="history-hint"
        position="fixed"
        left={`${Math.max(8, Math.min(at.left, window.innerWidth - 380))}px`}
        top={`${Math.min(at.top + 6, window.innerHeight - 180)}px`}
        maxW="360px"
        zIndex="tooltip"
        pointerEvents="none"
        bg="bg.inverted"
        color="fg.inverted"
        borderRadius="md"
        boxShadow="md"
        px={3}
        py={2}
        fontSize="xs"
      >
        {row === undefined ? <OfRun run={run} versions={versions} /> : <OfCell dagId={dagId} run={run} row={row} cell={cell} versions={versions} />}
      </Box>
    </Portal>
  );
}

function OfRun({ run, versions }: Pick<Props, "run" | "versions">) {
  const [first] = run.versions;
  return (
    <>
      <Text fontWeight="bold">{run.run_id}</Text>
      <Text>
        {run.state}, {run.run_type}, <Time at={run.start_date ?? run.run_after} as="absolute" />
      </Text>
      {run.failed_on.length > 0 ? (
        <Text>Failed before on {run.failed_on.map((key) => nameOf(versions[key], key)).join(", ")}, and was run again</Text>
      ) : undefined}
      {run.mixed ? (
        <>
          <Text fontWeight="bold">Mixed versions</Text>
          {run.versions.map((key) => (
            <Text key={key}>{fullNameOf(versions[key], key)}</Text>
          ))}
        </>
      ) : (
        <Text>{fullNameOf(versions[first ?? run.version], run.version)}</Text>
      )}
      {run.changed && run.previous_version !== null ? (
        <Text>
          The version changed here: {nameOf(versions[run.previous_version], run.previous_version)} → {nameOf(versions[run.version], run.version)}
        </Text>
      ) : undefined}
    </>
  );
}

function OfCell({ dagId, run, row, cell, versions }: Omit<Props, "at" | "row"> & { row: Row }) {
  const ran = cell?.versions ?? (cell ? [cell.version] : []);
  return (
    <>
      <Text fontWeight="bold">{row.id}</Text>
      <Text>
        {cell?.state ?? "no status"}
        {cell && (cell.tries ?? 0) > 1 ? `, try ${cell.tries}` : ""} in {run.run_id}
      </Text>
      {cell?.instances ? (
        <Text>
          {Object.entries(cell.instances)
            .map(([state, count]) => `${count} ${state}`)
            .join(", ")}
        </Text>
      ) : undefined}
      <Text>{ran.map((key) => fullNameOf(versions[key], key)).join(" → ")}</Text>
      {ran.length === 1 && ran[0] !== run.version ? <Text>The run is on {nameOf(versions[run.version], run.version)} now</Text> : undefined}
      {run.mixed && !row.isGroup ? <Upstream dagId={dagId} runId={run.run_id} taskId={row.id} /> : undefined}
    </>
  );
}

function Upstream({ dagId, runId, taskId }: { dagId: string; runId: string; taskId: string }) {
  const { data } = useQuery(taskQuery(dagId, runId, taskId, -1));
  if (data === undefined || data.upstream.length === 0) return null;
  return (
    <>
      <Text fontWeight="bold">Upstream on other versions</Text>
      {data.upstream.slice(0, 5).map(({ task_id: task, version }) => (
        <Text key={task}>
          {task}: {nameOf(data.versions[version], version)}
        </Text>
      ))}
      {data.upstream.length > 5 ? <Text>and {data.upstream.length - 5} more</Text> : undefined}
    </>
  );
}
