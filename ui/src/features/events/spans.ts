/** Spans of time that somebody on call asks for, with one click. */
import { absolute } from "src/components/time";
import { instantOf } from "src/components/zoned";

export const SPANS = { hour: "Last hour", night: "Last night", day: "24 h" } as const;
export type SpanName = keyof typeof SPANS;

export interface Span {
  since: string;
  /** Without one what happens from now on is shown too. */
  until: string | null;
}

const HOUR_MS = 3_600_000;
const EVENING = "18:00";
const MORNING = "08:00";

/** In words, for whoever wonders what is meant. */
export const HINTS: Record<SpanName, string> = {
  hour: "Since an hour ago",
  night: `From ${EVENING} to ${MORNING}; before ${MORNING} the night that goes on`,
  day: "Since a day ago",
};

export function spanOf(name: SpanName, now: Date, timeZone: string): Span {
  if (name !== "night") return { since: minute(now.getTime() - (name === "hour" ? HOUR_MS : 24 * HOUR_MS)), until: null };
  const [today, yesterday] = [dayOf(now.getTime(), timeZone), dayOf(now.getTime() - 24 * HOUR_MS, timeZone)];
  const morning = instantOf(`${today}T${MORNING}`, timeZone) ?? minute(now.getTime());
  const since = instantOf(`${yesterday}T${EVENING}`, timeZone) ?? minute(now.getTime() - 24 * HOUR_MS);
  return { since, until: now.getTime() < Date.parse(morning) ? null : morning };
}

/** Within which a span that was chosen is still called by its name. */
const STILL_MS = 10 * 60_000;

/** Whether what an address asks for is about the span of this name, at this moment. */
export function isStill(name: SpanName, since: string | null, now: Date, timeZone: string): boolean {
  return since !== null && Math.abs(Date.parse(spanOf(name, now, timeZone).since) - Date.parse(since)) <= STILL_MS;
}

function minute(at: number): string {
  return new Date(Math.floor(at / 60_000) * 60_000).toISOString();
}

function dayOf(at: number, timeZone: string): string {
  return absolute(new Date(at).toISOString(), timeZone).slice(0, 10);
}
