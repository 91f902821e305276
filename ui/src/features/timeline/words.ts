/** What is said of dates and of the builds that they are for. */
import type { DatedRun, Stretch } from "src/api/timeline";

interface Span {
  from: string | null;
  until: string | null;
}

/** "… → 2020-01-01": the first moment that is in it, and the first that is not. */
export function spanWords({ from, until }: Span): string {
  return `${from ?? "…"} → ${until ?? "…"}`;
}

export function stretchWords({ gap, build }: Pick<Stretch, "gap" | "build">): string {
  if (!gap) return `build ${build}`;
  return build === null ? "gap: the active release, of which there is none now" : `gap: the active release, now build ${build}`;
}

/** "ran on build 6; would run on 7". */
export function runWords({ build, wanted, fit }: Pick<DatedRun, "build" | "wanted" | "fit">): string {
  const ran = build === null ? "nobody knows what it ran on" : `ran on build ${build}`;
  if (fit === "matches") return ran;
  if (fit === "waits") return "waits to start";
  return `${ran}${fit === "by_hand" ? ", which somebody chose" : ""}; ${wanted === null ? "its date asks for no build" : `would run on ${wanted}`}`;
}

export function counted(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** "37 runs do not match". */
export function differWords(number: number): string {
  return `${counted(number, "run")} ${number === 1 ? "does" : "do"} not match`;
}

/** "48 runs, 46 match, 2 ran on build 9". */
export function countWords(counts: NonNullable<Stretch["counts"]>): string {
  const { runs, match, by_hand: byHand, waiting, others } = counts;
  if (runs === 0) return "no run";
  return [
    counted(runs, "run"),
    `${match} ${match === 1 ? "matches" : "match"}`,
    ...others.map(({ build, runs: number }) => `${number} ran on ${build === null ? "nobody knows what" : `build ${build}`}`),
    byHand === 0 ? "" : `${byHand} on a build that somebody chose`,
    waiting === 0 ? "" : `${waiting} ${waiting === 1 ? "waits" : "wait"}`,
  ]
    .filter((part) => part !== "")
    .join(", ");
}
