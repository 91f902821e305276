/** Runs are columns, the newest on the right; tasks are rows. Only the rows in sight are there. */
import { Box } from "@chakra-ui/react";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { FocusEvent, KeyboardEvent, MouseEvent } from "react";

import type { Cell, GridRun } from "src/api/history";
import type { Version } from "src/api/versions";
import { fullNameOf, nameOf } from "src/components/version/names";
import { Hint } from "src/features/history/grid/Hint";
import type { Hinted } from "src/features/history/grid/Hint";
import { COLUMN, HEAD, LOOK, NAME, ROW, stateClass } from "src/features/history/grid/look";
import type { Row } from "src/features/history/grid/rows";
import type { CellAt } from "src/features/history/useCells";

interface Props {
  dagId: string;
  /** Oldest first. */
  runs: GridRun[];
  versions: Record<string, Version>;
  /** In the order of the screen. */
  rows: Row[];
  /** Whether a version's structure has a row; true also of one that nobody knows. */
  exists: (version: string, row: Row) => boolean;
  /** The structure that lacks a row, by name: that of the selected run, or the newest; undefined where it has it. */
  lacking: (row: Row) => string | undefined;
  cellAt: CellAt;
  /** What most tasks of a run ran on last; a cell on something else is marked. */
  mostOn: (run: GridRun) => string;
  closed: ReadonlySet<string>;
  onToggle: (group: string) => void;
  run: string | undefined;
  task: string | undefined;
  onSelect: (run: string, task?: string) => void;
  /** Runs that are to be compared. */
  marked: string[];
  onMark: (run: string) => void;
  /** Tells which rows are in sight. */
  onSight: (from: number, to: number) => void;
}

const AROUND = 12;
const MAX_HEIGHT = 460;

export function Grid(props: Props) {
  const { dagId, runs, versions, rows, exists, lacking, cellAt, mostOn, closed, onToggle, run, task, marked, onSight } = props;
  // With Ctrl (or ⌘) a run is marked to be compared, by the pointer as by the keyboard.
  const onSelect = (event: MouseEvent, runId: string, taskId?: string) =>
    event.ctrlKey || event.metaKey ? props.onMark(runId) : props.onSelect(runId, taskId);
  const scroller = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [hinted, setHinted] = useState<Hinted>();
  const from = Math.max(0, Math.floor(top / ROW) - AROUND);
  const to = Math.min(rows.length, Math.ceil((top + MAX_HEIGHT) / ROW) + AROUND);
  useEffect(() => onSight(from, to), [from, to, onSight]);

  // The newest runs stand on the right; begin there.
  const newest = runs.at(-1)?.run_id;
  useLayoutEffect(() => {
    if (scroller.current !== null) scroller.current.scrollLeft = scroller.current.scrollWidth;
  }, [newest]);

  const longest = useMemo(() => Math.max(1, ...runs.map(seconds)), [runs]);
  const inSight = useMemo(() => {
    const shown = rows.slice(from, to).map((row, index) => ({ row, place: from + index }));
    // In an order of their own, so that a moved row is moved by its transform alone, which animates.
    return shown.sort((a, b) => (a.row.key < b.row.key ? -1 : 1));
  }, [rows, from, to]);

  const hint = useCallback(
    (target: EventTarget) => {
      const element = (target as HTMLElement).closest<HTMLElement>("[data-run]");
      if (element === null) return setHinted(undefined);
      const { run: runId = "", row: key } = element.dataset;
      const { left, bottom } = element.getBoundingClientRect();
      setHinted({ runId, key, left, top: bottom });
    },
    [setHinted],
  );
  const hintedRun = runs.find(({ run_id: id }) => id === hinted?.runId);
  const hintedRow = rows.find(({ key }) => key === hinted?.key);

  return (
    <>
      <Box
        ref={scroller}
        role="grid"
        aria-label="Runs and tasks"
        aria-rowcount={rows.length + 1}
        aria-colcount={runs.length + 1}
        css={LOOK}
        maxHeight={`${MAX_HEIGHT + HEAD}px`}
        data-testid="history-grid"
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        onMouseOver={(event: MouseEvent) => hint(event.target)}
        onMouseLeave={() => setHinted(undefined)}
        onFocus={(event: FocusEvent) => hint(event.target)}
        onBlur={() => setHinted(undefined)}
        onKeyDown={(event) => {
          move(event);
          markWithKey(event, props.onMark);
        }}
      >
        <div style={{ width: NAME + runs.length * COLUMN + 40, minWidth: "100%" }}>
          <div className="head" role="row" aria-rowindex={1}>
            <div className="corner" role="columnheader">
              Task
            </div>
            {runs.map((one, column) => (
              <RunHead key={one.run_id} run={one} versions={versions} column={column} height={seconds(one) / longest} selected={one.run_id === run} marked={marked.includes(one.run_id)} onSelect={onSelect} />
            ))}
          </div>
          <div role="rowgroup" style={{ position: "relative", height: rows.length * ROW }}>
            {inSight.map(({ row, place }) => (
              <div
                key={row.key}
                className="row"
                role="row"
                aria-rowindex={place + 2}
                data-row={row.key}
                data-task={row.isGroup ? undefined : row.id}
                style={{ transform: `translateY(${place * ROW}px)` }}
              >
                <Name row={row} lacking={lacking(row)} closed={closed.has(row.key)} onToggle={onToggle} selected={row.id === task && !row.isGroup} />
                {runs.map((one, column) => {
                  const cell = cellAt(one.run_id, row);
                  return (
                    <TaskCell
                      key={one.run_id}
                      run={one}
                      row={row}
                      column={column}
                      cell={cell && (row.isGroup || ranIn(cell).some((version) => exists(version, row))) ? cell : undefined}
                      versions={versions}
                      most={mostOn(one)}
                      selected={one.run_id === run && (task === undefined || row.id === task)}
                      onSelect={onSelect}
                    />
                  );
                })}
              </div>
            ))}
          </div>
        </div>
      </Box>
      {hinted !== undefined && hintedRun !== undefined ? (
        <Hint dagId={dagId} at={hinted} run={hintedRun} row={hintedRow} cell={hintedRow === undefined ? undefined : cellAt(hintedRun.run_id, hintedRow)} versions={versions} />
      ) : undefined}
    </>
  );
}

function ranIn(cell: Cell): string[] {
  return cell.versions ?? [cell.version];
}

function seconds({ start_date: start, end_date: end }: GridRun): number {
  if (start === null) return 0;
  return Math.max(0, ((end === null ? Date.now() : Date.parse(end)) - Date.parse(start)) / 1000);
}

type OnSelect = (event: MouseEvent, run: string, task?: string) => void;

interface HeadProps {
  run: GridRun;
  versions: Record<string, Version>;
  column: number;
  height: number;
  selected: boolean;
  marked: boolean;
  onSelect: OnSelect;
}

function RunHead({ run, versions, column, height, selected, marked, onSelect }: HeadProps) {
  const version = versions[run.version];
  const names = run.versions.map((key) => nameOf(versions[key], key)).join(", ");
  const failed = run.failed_on.map((key) => nameOf(versions[key], key)).join(", ");
  const classes = ["run", stateClass(run.state), failed !== "" && "failed-before", run.changed && "changed", run.mixed && "mixed", selected && "selected", marked && "marked"];
  return (
    <div role="columnheader" aria-colindex={column + 2} style={{ width: COLUMN, flexShrink: 0 }}>
      <button
        type="button"
        className={classes.filter(Boolean).join(" ")}
        data-run={run.run_id}
        data-version={run.version}
        aria-pressed={selected}
        aria-label={`Run ${run.run_id}: ${run.state}; ${run.mixed ? "mixed versions: " : ""}${names}${failed === "" ? "" : `; failed on ${failed}, run again since`}${run.changed ? "; the version changed here" : ""}${marked ? "; marked to be compared" : ""}`}
        onClick={(event) => onSelect(event, run.run_id)}
      >
        {run.changed ? (
          <span className="release" data-testid="release-mark" aria-hidden>
            {version?.kind === "before" ? `v${version.airflow_version}` : version?.release === null ? `t${version.build}` : `r${version?.release ?? "?"}`}
          </span>
        ) : undefined}
        {run.mixed ? (
          <span className="caret" data-testid="mixed-run" aria-hidden>
            ◆
          </span>
        ) : undefined}
        <span className="box" style={{ height: 8 + Math.round(32 * height) }} />
      </button>
    </div>
  );
}

interface NameProps {
  row: Row;
  lacking: string | undefined;
  closed: boolean;
  onToggle: Props["onToggle"];
  selected: boolean;
}

function Name({ row, lacking, closed, onToggle, selected }: NameProps) {
  const classes = ["name", lacking !== undefined && "removed", selected && "selected"];
  return (
    <div className={classes.filter(Boolean).join(" ")} role="rowheader" style={{ paddingLeft: 8 + row.inside.length * 14 }} title={lacking === undefined ? row.id : `${row.id}: not in ${lacking}`}>
      {row.isGroup ? (
        <button type="button" aria-expanded={!closed} onClick={() => onToggle(row.key)}>
          <span aria-hidden>{closed ? "▸" : "▾"}</span>
          {row.label}
        </button>
      ) : (
        <span>
          {row.label}
          {row.mapped ? " [ ]" : ""}
        </span>
      )}
    </div>
  );
}

interface CellProps {
  run: GridRun;
  row: Row;
  column: number;
  cell: Cell | undefined;
  versions: Record<string, Version>;
  /** What most tasks of its run ran on last. */
  most: string;
  selected: boolean;
  onSelect: OnSelect;
}

function TaskCell({ run, row, column, cell, versions, most, selected, onSelect }: CellProps) {
  const changed = run.changed ? " changed" : "";
  if (cell === undefined) return <div className={`cell${changed}${selected ? " selected" : ""}`} role="gridcell" aria-colindex={column + 2} />;
  // The versions of a group are those on which its tasks ran last: more than one where they differ.
  const mixed = row.isGroup ? cell.versions != null : cell.version !== most;
  const ran = ranIn(cell).map((key) => fullNameOf(versions[key], key)).join(", ");
  const state = cell.state ?? "no status";
  const label = `${row.id} in run ${run.run_id}: ${state}; ${mixed || cell.versions != null ? `on ${ran}` : nameOf(versions[cell.version], cell.version)}`;
  const classes = `cell ${stateClass(cell.state)}${changed}${mixed ? " mixed" : ""}${selected ? " selected" : ""}`;
  const marks = { "data-run": run.run_id, "data-row": row.key, "data-state": cell.state ?? "none", "data-version": cell.version, "data-mixed": mixed };
  if (row.isGroup) {
    return (
      <div className={`${classes} group`} role="gridcell" aria-colindex={column + 2} aria-label={label} {...marks}>
        <span className="box" />
      </div>
    );
  }
  return (
    <div role="gridcell" aria-colindex={column + 2}>
      <button type="button" className={classes} style={{ height: ROW }} aria-label={label} aria-pressed={selected} tabIndex={selected ? 0 : -1} onClick={(event) => onSelect(event, run.run_id, row.id)} {...marks}>
        <span className="box" />
      </button>
    </div>
  );
}

/** Ctrl-Enter does on a run or a cell what a click with Ctrl does. */
function markWithKey(event: KeyboardEvent<HTMLElement>, onMark: Props["onMark"]): void {
  const { run } = (event.target as HTMLElement).dataset;
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || run === undefined) return;
  // Else the browser makes a click of it, too.
  event.preventDefault();
  onMark(run);
}

/** Arrow keys go from cell to cell; the heads of the columns are reached by Tab. */
function move(event: KeyboardEvent<HTMLElement>): void {
  const here = (event.target as HTMLElement).closest<HTMLElement>("[aria-colindex]");
  const row = here?.closest<HTMLElement>("[role=row]");
  const grid = event.currentTarget;
  if (!here || !row) return;
  const [column, line] = [Number(here.getAttribute("aria-colindex")), Number(row.getAttribute("aria-rowindex"))];
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  // Past empty cells, to the next that can be chosen.
  for (let [x, y] = [column + step[0]!, line + step[1]!]; x > 0 && y > 0; [x, y] = [x + step[0]!, y + step[1]!]) {
    const next = grid.querySelector(`[aria-rowindex="${y}"] [aria-colindex="${x}"]`);
    if (next === null) return;
    const button = next.querySelector("button");
    if (button === null) continue;
    button.focus();
    button.scrollIntoView({ block: "nearest", inline: "nearest" });
    return;
  }
}
