/** What holds a Dag, told apart: a build that waits, and an era of its timeline that holds the present. */
import type { Schemas } from "src/api/schemas";

type Held = Pick<Schemas["DagStatus"], "held" | "holds">;

/** The era over the present, where it names another build than the newest. */
export function eraOver({ holds }: Pick<Held, "holds">): Schemas["Hold"] | undefined {
  return holds.find(({ kind }) => kind === "era");
}

/** Whether something waits to be released: an era alone leaves nothing to release. */
export function waitsForRelease({ held, holds }: Held): boolean {
  return held && !(holds.length > 0 && holds.every(({ kind }) => kind === "era"));
}
