/** How a release came about, said the same wherever it stands. */
import { author } from "src/components/author";
import { Time } from "src/components/time";

/** The actor that stands for "nobody": what Pinwheel does by itself. */
const ITSELF = "pinwheel";

/** Of these "released" would tell the wrong story. */
const DONE: Record<string, string> = { adopt: "taken over from Airflow", retire: "taken off the schedule" };

/** The first line of a commit's message. */
export function subject(message: string | null | undefined): string {
  return message?.split("\n", 1)[0] ?? "";
}

/** The reason, unless it only repeats the commit's message. */
export function ownReason(reason: string | null | undefined, message: string | null | undefined): string | null {
  if (reason === null || reason === undefined || reason === "") return null;
  return message !== null && message !== undefined && [message, subject(message)].includes(reason) ? null : reason;
}

/** Whose commit it is and what it says: "Ada: Lower the fees". */
export function commitWords(by: string | null, message: string | null): string {
  return [author(by), subject(message)].filter((part) => part !== "").join(": ");
}

export function byItself(actor: string | null): boolean {
  return actor === null || actor === ITSELF;
}

interface Made {
  kind: string | null;
  actor: string | null;
  at: string | null;
}

/** "released by itself 6 minutes ago", "released by ada 6 minutes ago". */
export function ReleasedBy({ kind, actor, at }: Made) {
  return (
    <>
      {DONE[kind ?? ""] ?? "released"} by {byItself(actor) ? "itself" : actor} <Time at={at} />
    </>
  );
}
