import { Badge } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { Time } from "src/components/time";

type Rejection = Schemas["Rejected"];

/** Stands beside a build that is never released by itself. */
export function RejectedBadge() {
  return <Badge colorPalette="red">rejected</Badge>;
}

/** Who rejected a build, when and why: the end of a sentence. */
export function ByWhom({ rejection: { actor, at, reason } }: { rejection: Rejection }) {
  return (
    <>
      by {actor} <Time at={at} />
      {reason === null || reason === "" ? ", without a reason" : `: ${reason}`}
    </>
  );
}

/** The rejection of the newest build, of a Dag that it holds. */
export function rejectionIn(holds: Schemas["Hold"][]): Rejection | undefined {
  const hold = holds.find(({ kind }) => kind === "rejected");
  return hold === undefined ? undefined : { actor: hold.by ?? "unknown", at: hold.since ?? "", reason: hold.reason };
}

/** "was rolled back by ada 7 minutes ago: why", or "was rejected …": what stands after the name of a build. */
export function HowRejected({ rejection, releases }: { rejection: Rejection; releases: Pick<Schemas["Release"], "kind" | "created_at">[] }) {
  return (
    <>
      {wasRolledBack(rejection, releases) ? "was rolled back" : "was rejected"} <ByWhom rejection={rejection} />
    </>
  );
}

/** A rollback rejects what it leaves in one transaction, so both are of one instant. */
function wasRolledBack({ at }: Rejection, releases: Pick<Schemas["Release"], "kind" | "created_at">[]): boolean {
  const instant = new Date(at).getTime();
  return releases.some(({ kind, created_at: made }) => kind === "rollback" && made !== null && new Date(made).getTime() === instant);
}
