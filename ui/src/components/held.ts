/** What holds a Dag, told apart: a build that waits, an era of its timeline that holds the present, and what is on its way. */
import type { Schemas } from "src/api/schemas";

type Hold = Schemas["Hold"];
type Held = Pick<Schemas["DagStatus"], "held" | "holds">;

/** The era over the present, where it names another build than the newest. */
export function eraOver({ holds }: Pick<Held, "holds">): Hold | undefined {
  return holds.find(({ kind }) => kind === "era");
}

/** Whether something waits to be released: an era alone leaves nothing to release. */
export function waitsForRelease({ held, holds }: Held): boolean {
  return held && !(holds.length > 0 && holds.every(({ kind }) => kind === "era"));
}

/** Pages tell of these in sentences of their own. */
const TOLD = ["pin", "rejected", "era", "behind"];

/** Why else new runs do not take the newest place, the first to be shown. */
export function otherHolds({ holds }: Pick<Held, "holds">): Hold[] {
  return holds.filter(({ kind }) => !TOLD.includes(kind));
}
