/** What the line of a Dag shows, worked out from the server's answers; no drawing. */
import type { Change } from "src/api/changes";
import type { Schemas } from "src/api/schemas";

export type Line = Schemas["Line"];
export type LineBuild = Schemas["LineBuild"];
export type LineRelease = Schemas["LineRelease"];
export type LineRun = Schemas["LineRun"];

/** What a build or the Dag's standing offers to do. */
export type Action = Omit<Change, "dagIds"> | { verb: "try"; build: number };

/** One thing that happened: a build (with the release that it became at once), a later release, a broken commit. */
export interface Entry {
  key: string;
  at: string;
  build?: LineBuild;
  release?: LineRelease;
  broken: boolean;
  /** Its build is never released by itself. */
  rejected: boolean;
}

/** All pages of the line as one; pages come newest first. */
export function joined(pages: Line[]): {
  releases: LineRelease[];
  builds: LineBuild[];
  runs: LineRun[];
  inForce: LineRelease | null;
  moreRuns: boolean;
} {
  return {
    releases: pages.flatMap((page) => page.releases),
    builds: pages.flatMap((page) => page.builds),
    runs: pages.flatMap((page) => page.runs),
    inForce: pages.at(-1)?.in_force ?? null,
    moreRuns: pages.some((page) => page.more_runs),
  };
}

/** What happened, newest first. */
export function entriesOf(builds: LineBuild[], releases: LineRelease[]): Entry[] {
  const atOnce = new Map<string, LineRelease>();
  const later: LineRelease[] = [];
  const made = new Map(builds.map((build) => [build.build, build.created_at]));
  const rejected = rejectedOf(builds);
  for (const release of releases) {
    const first = release.build !== null && made.get(release.build) === release.created_at;
    if (first && !atOnce.has(String(release.build))) atOnce.set(String(release.build), release);
    else later.push(release);
  }
  const found: Entry[] = [
    ...builds.map((build) => ({
      key: build.status === "broken" ? `broken ${build.bundle_version}` : `build ${build.build}`,
      at: build.created_at ?? "",
      build,
      release: build.status === "broken" ? undefined : atOnce.get(String(build.build)),
      broken: build.status === "broken",
      rejected: rejected.has(build.build),
    })),
    ...later.map((release) => ({
      key: `release ${release.release}`,
      at: release.created_at ?? "",
      release,
      broken: false,
      rejected: rejected.has(release.build),
    })),
  ];
  // A build and a release of one instant: the release came second.
  return found.sort((a, b) => time(b.at) - time(a.at) || rank(b) - rank(a));
}

/** Numbers of the builds that are never released by themselves. */
export function rejectedOf(builds: LineBuild[]): Set<number | null> {
  return new Set(builds.filter(({ rejected }) => rejected !== null).map(({ build }) => build));
}

function rank(entry: Entry): number {
  return entry.build === undefined ? 1 : 0;
}

export function time(at: string): number {
  return new Date(at).getTime();
}

/** How long a build was active: one for each release, oldest first. */
export interface Segment {
  release: LineRelease;
  build: number;
  from: number;
  until: number;
}

export function segmentsOf(releases: LineRelease[], inForce: LineRelease | null, start: number, now: number): Segment[] {
  const all = inForce === null ? releases : [...releases, inForce];
  return all
    .flatMap((release) => {
      if (release.build === null || release.created_at === null || release.kind === "retire") return [];
      const until = release.until === null ? now : time(release.until);
      return [{ release, build: release.build, from: Math.max(start, time(release.created_at)), until }];
    })
    .reverse();
}

export type Spacing = "even" | "time";

/**
 * From an instant to a place on the picture. "time": as the clock goes. "even": the same width between any two
 * moments, however far apart, so that a busy hour in a quiet month can be read.
 */
export function scaleOf(moments: number[], spacing: Spacing, left: number, right: number): (at: number) => number {
  const sorted = [...new Set(moments)].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const last = sorted.at(-1) ?? first;
  if (last === first) return () => (left + right) / 2;
  if (spacing === "time") return (at) => left + ((clamp(at, first, last) - first) / (last - first)) * (right - left);
  const step = (right - left) / (sorted.length - 1);
  return (at) => {
    const instant = clamp(at, first, last);
    let low = 0;
    let high = sorted.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? 0) <= instant) low = middle;
      else high = middle;
    }
    const from = sorted[low] ?? first;
    const to = sorted[high] ?? last;
    return left + (low + (to === from ? 0 : (instant - from) / (to - from))) * step;
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Runs that fall into the same few pixels, counted together. */
export interface Column {
  x: number;
  good: number;
  failed: number;
  unfinished: number;
  /** The newest of them. */
  runId: string;
}

export function columnsOf(runs: LineRun[], scale: (at: number) => number, width: number): Column[] {
  const columns = new Map<number, Column>();
  for (const run of runs) {
    const x = Math.floor(scale(time(run.at)) / width) * width;
    const column = columns.get(x) ?? { x, good: 0, failed: 0, unfinished: 0, runId: run.run_id };
    if (run.state === "success") column.good += 1;
    else if (run.state === "failed") column.failed += 1;
    else column.unfinished += 1;
    columns.set(x, column);
  }
  return [...columns.values()].sort((a, b) => a.x - b.x);
}

/** What makes this build the active one: promote for a newer one, roll back for an older one. */
export function verbTo(build: number, active: number | null, newer: boolean): "promote" | "rollback" | undefined {
  if (build === active) return undefined;
  return active === null || newer ? "promote" : "rollback";
}

/** The row that shows what an address names: `r3` a release, `b3` a build. */
export function keyOf(entries: Entry[], anchor: string): string | undefined {
  const found = /^([rb])([1-9][0-9]{0,9})$/.exec(anchor);
  if (found === null) return undefined;
  const number = Number(found[2]);
  const entry =
    found[1] === "r"
      ? entries.find(({ release }) => release?.release === number)
      : (entries.find(({ build }) => build?.build === number) ?? entries.find(({ release }) => release?.build === number));
  return entry?.key;
}

/** How many good builds wait behind the active one. */
export function behind(builds: LineBuild[], active: number | null): number {
  return builds.filter((build) => build.build !== null && active !== null && build.newer).length;
}

/** Choosing two: a third takes the place of the one chosen first. */
export function chosen(before: number[], build: number): number[] {
  if (before.includes(build)) return before.filter((other) => other !== build);
  return [...before, build].slice(-2);
}

/** The last line of a traceback says what happened. */
export function lastLine(error: string | null | undefined): string {
  return (error ?? "").trim().split("\n").at(-1) ?? "";
}
