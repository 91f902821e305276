/** From dates to places on the picture; no drawing. */
import type { DatedRun, Stretch } from "src/api/timeline";

/** How much of the picture lies beyond the first and the last date that there is, for what has no end. */
const BEYOND = 0.08;
const DAY = 86_400_000;

export interface Axis {
  /** The picture's first and last instant. */
  first: number;
  last: number;
  place: (at: number) => number;
}

const ms = (at: string) => new Date(at).getTime();

/** An axis from *left* to *right* on which all edges, all these runs and now are. */
export function axisOf(stretches: Stretch[], runs: Pick<DatedRun, "date">[], now: number, left: number, right: number): Axis {
  let low = now;
  let high = now;
  const see = (at: number) => {
    low = Math.min(low, at);
    high = Math.max(high, at);
  };
  for (const { starts_at: starts, ends_at: ends } of stretches) {
    if (starts !== null) see(ms(starts));
    if (ends !== null) see(ms(ends));
  }
  for (const { date } of runs) see(ms(date));
  const beyond = Math.max(DAY, (high - low) * BEYOND);
  const first = low - beyond;
  const last = high + beyond;
  return { first, last, place: (at) => left + ((at - first) / (last - first)) * (right - left) };
}

export interface Bar {
  stretch: Stretch;
  x: number;
  width: number;
}

/** Half-open: where one ends the next one begins. */
export function barsOf(stretches: Stretch[], { first, last, place }: Axis): Bar[] {
  return stretches.map((stretch) => {
    const x = place(stretch.starts_at === null ? first : ms(stretch.starts_at));
    const end = place(stretch.ends_at === null ? last : ms(stretch.ends_at));
    return { stretch, x, width: Math.max(1, end - x) };
  });
}

export interface Tick {
  x: number;
  /** That they really ran; null: nobody knows, or it has not begun. */
  build: number | null;
  fit: DatedRun["fit"];
  /** One of them speaks for all that fall into the same few pixels. */
  run: DatedRun;
  runs: number;
}

/** Runs of one build and fit that fall into the same few pixels are one tick. */
export function ticksOf(runs: DatedRun[], { place }: Axis, width: number): Tick[] {
  const ticks = new Map<string, Tick>();
  for (const run of runs) {
    const x = Math.floor(place(ms(run.date)) / width) * width;
    const key = `${x} ${run.build} ${run.fit}`;
    const tick = ticks.get(key);
    if (tick === undefined) ticks.set(key, { x, build: run.build, fit: run.fit, run, runs: 1 });
    else tick.runs += 1;
  }
  return [...ticks.values()];
}

/** None of them says good or bad. */
const COLOURS = ["blue", "purple", "teal", "orange", "pink", "cyan", "yellow"];

/** Builds that are shown together have different colours while these last. */
export function coloursOf(builds: (number | null)[]): Map<number, string> {
  const known = [...new Set(builds.filter((build) => build !== null))].sort((a, b) => a - b);
  return new Map(known.map((build, place) => [build, COLOURS[place % COLOURS.length] ?? "gray"]));
}
