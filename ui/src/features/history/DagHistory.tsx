/** A Dag's runs and what each of them really ran: the grid, and below it what is chosen there. */
import { Button, Flex, HStack, NativeSelect, Stack, Switch, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";

import { historyQuery, rowsQuery } from "src/api/history";
import type { GridRows, GridRun } from "src/api/history";
import type { Version } from "src/api/versions";
import { Empty, Loaded, Loading } from "src/components/states";
import { nameOf } from "src/components/version/names";
import { Compared } from "src/features/history/Compared";
import { Grid } from "src/features/history/grid/Grid";
import { mostOf } from "src/features/history/grid/most";
import { structuresOf, tasksInside, visible } from "src/features/history/grid/rows";
import type { Row } from "src/features/history/grid/rows";
import { RunPanel } from "src/features/history/RunPanel";
import { TaskPanel } from "src/features/history/TaskPanel";
import { useCells } from "src/features/history/useCells";
import { useChoice } from "src/features/history/useChoice";

const SIZES = [10, 25, 50, 100];
const STORED = "pinwheel.history";

interface Options {
  hideRemoved: boolean;
  reorder: boolean;
}

/** What the reader likes, kept in this browser. */
function useOptions(): [Options, (change: Partial<Options>) => void] {
  const [options, setOptions] = useState<Options>(() => {
    const usual = { hideRemoved: false, reorder: true };
    try {
      return { ...usual, ...(JSON.parse(localStorage.getItem(STORED) ?? "{}") as Partial<Options>) };
    } catch {
      return usual;
    }
  });
  const change = useCallback((wanted: Partial<Options>) => {
    setOptions((before) => {
      const after = { ...before, ...wanted };
      localStorage.setItem(STORED, JSON.stringify(after));
      return after;
    });
  }, []);
  return [options, change];
}

export default function DagHistory({ dagId }: { dagId: string }) {
  const { run, task, map, until, limit: size, choose } = useChoice();
  const [options, setOptions] = useOptions();
  const asked = Number(size);
  const limit = SIZES.includes(asked) ? asked : 25;
  const page = useQuery(historyQuery(dagId, until, limit));
  const [marked, setMarked] = useState<string[]>([]);
  const mark = (runId: string) =>
    setMarked((before) => (before.includes(runId) ? before.filter((one) => one !== runId) : [...before.slice(-1), runId]));

  return (
    <Loaded query={page} rows={8}>
      {(data) => {
        if (data.runs.length === 0) return <Empty title="No runs yet">Once the Dag has run, each run is shown here with what it ran on.</Empty>;
        return (
          <Stack gap={3}>
            <Text color="fg.muted" fontSize="sm">
              What really ran: each run on the release that it was bound to, each try on the code that it executed. Airflow&apos;s own grid shows
              the same runs by what its rows say today.
            </Text>
            <Flex wrap="wrap" gap={3} align="center">
              <Option label="Hide removed tasks" checked={options.hideRemoved} onChange={(hideRemoved) => setOptions({ hideRemoved })} />
              <Option label="Order tasks as in the selected run" checked={options.reorder} onChange={(reorder) => setOptions({ reorder })} />
              <HStack as="nav" aria-label="Pages of runs" ml="auto" gap={2}>
                <NativeSelect.Root size="xs" width="auto">
                  <NativeSelect.Field aria-label="Runs on a page" value={limit} onChange={(event) => choose({ limit: event.currentTarget.value })}>
                    {SIZES.map((size) => (
                      <option key={size} value={size}>
                        {size} runs
                      </option>
                    ))}
                  </NativeSelect.Field>
                  <NativeSelect.Indicator />
                </NativeSelect.Root>
                <Button size="xs" variant="outline" disabled={data.older === null} onClick={() => choose({ until: data.older ?? undefined })}>
                  Older
                </Button>
                <Button size="xs" variant="outline" disabled={data.newer === null} onClick={() => choose({ until: data.newer ?? undefined })}>
                  Newer
                </Button>
                <Button size="xs" variant="outline" disabled={data.newer === null} onClick={() => choose({ until: undefined })}>
                  Newest
                </Button>
              </HStack>
            </Flex>
            <Compared dagId={dagId} marked={inOrder(marked, data.runs)} onForget={() => setMarked([])} />
            <Tasks dagId={dagId} runs={data.runs} versions={data.versions} active={data.active} options={options} run={run} task={task} marked={marked} onMark={mark} onSelect={(runId, taskId) => choose({ run: runId, task: taskId, map: undefined, instances: undefined, try: undefined, version: undefined })} />
            {run === undefined ? (
              <Text color="fg.muted">Choose a run or a task to see its graph, code and log as they were.</Text>
            ) : task === undefined ? (
              <RunPanel key={run} dagId={dagId} runId={run} mayClear={data.may_clear} marked={marked.includes(run)} onMark={() => mark(run)} />
            ) : (
              <TaskPanel key={`${run}\n${task}\n${map}`} dagId={dagId} runId={run} taskId={task} mapIndex={map} />
            )}
          </Stack>
        );
      }}
    </Loaded>
  );
}

/** The older run first; as they were marked where one is not on this page. */
function inOrder(marked: string[], runs: GridRun[]): string[] {
  const place = (runId: string) => runs.findIndex(({ run_id: id }) => id === runId);
  return [...marked].sort((one, other) => (place(one) < 0 || place(other) < 0 ? 0 : place(other) - place(one)));
}

function Option({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <Switch.Root size="sm" checked={checked} onCheckedChange={(event) => onChange(event.checked)}>
      <Switch.HiddenInput />
      <Switch.Control />
      <Switch.Label>{label}</Switch.Label>
    </Switch.Root>
  );
}

interface TasksProps {
  dagId: string;
  runs: GridRun[];
  versions: Record<string, Version>;
  active: string | null;
  options: Options;
  run: string | undefined;
  task: string | undefined;
  marked: string[];
  onMark: (run: string) => void;
  onSelect: (run: string, task?: string) => void;
}

function Tasks(props: TasksProps) {
  const wanted = useMemo(
    () => [...props.runs.flatMap(({ versions }) => versions), ...(props.active === null ? [] : [props.active])],
    [props.runs, props.active],
  );
  const rows = useQuery(rowsQuery(props.dagId, wanted.flatMap((key) => props.versions[key] ?? [])));
  if (wanted.every((key) => key === "unknown")) return <Empty title="The structure of these runs is not known any more" />;
  return <Loaded query={rows}>{(found) => (found.structures.length === 0 ? <Loading /> : <Structured {...props} found={found} />)}</Loaded>;
}

const NO_ROWS: Row[] = [];

function Structured({ dagId, runs, versions, active, options, run, task, marked, onMark, onSelect, found }: TasksProps & { found: GridRows }) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [sight, setSight] = useState<[number, number]>([0, 40]);
  const newestKey = active !== null && active in found.of ? active : runs.map(({ version }) => version).find((key) => key in found.of);
  const newest = newestKey === undefined ? 0 : (found.of[newestKey] ?? 0);
  const selected = runs.find(({ run_id: id }) => id === run);
  const first = options.reorder && selected !== undefined ? (found.of[selected.version] ?? newest) : newest;
  const structures = useMemo(() => structuresOf(found, newest), [found, newest]);
  const every = useMemo(() => structures.ordered(newest), [structures, newest]);
  const inside = useMemo(() => tasksInside(every), [every]);
  const all = useMemo(() => visible(every, closed, false), [every, closed]);
  const shown = useMemo(() => visible(structures.ordered(first), closed, options.hideRemoved), [structures, first, closed, options.hideRemoved]);
  const inSight = useMemo(() => (shown.length === 0 ? NO_ROWS : shown.slice(sight[0], sight[1])), [shown, sight]);
  const cellAt = useCells(dagId, runs, all, inside, inSight);
  const most = useMemo(
    () =>
      new Map(
        runs.filter(({ mixed }) => mixed).map(({ run_id: id, version }) => [id, mostOf(every.filter(({ isGroup }) => !isGroup).map((row) => cellAt(id, row)), version)]),
      ),
    [runs, every, cellAt],
  );
  const compared = selected !== undefined && selected.version in found.of ? selected.version : newestKey;
  const has = structures.has[compared === undefined ? newest : (found.of[compared] ?? newest)];
  const name = selected !== undefined && compared === selected.version ? nameOf(versions[compared ?? ""], compared) : "the newest structure";
  const onSight = useCallback((from: number, to: number) => setSight([from, to]), []);
  const exists = useCallback(
    (version: string, row: Row) => {
      const structure = found.of[version];
      return structure === undefined || (structures.has[structure]?.has(row.key) ?? true);
    },
    [found, structures],
  );
  const columns = useMemo(() => [...runs].reverse(), [runs]);
  return (
    <Grid
      dagId={dagId}
      runs={columns}
      versions={versions}
      rows={shown}
      exists={exists}
      lacking={({ key }) => (has?.has(key) === false ? name : undefined)}
      mostOn={({ run_id: id, version }) => most.get(id) ?? version}
      marked={marked}
      onMark={onMark}
      cellAt={cellAt}
      closed={closed}
      onToggle={(group) =>
        setClosed((before) => {
          const after = new Set(before);
          if (!after.delete(group)) after.add(group);
          return after;
        })
      }
      run={run}
      task={task}
      onSelect={onSelect}
      onSight={onSight}
    />
  );
}
