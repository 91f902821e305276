import { useQuery } from "@tanstack/react-query";

import { commandQuery } from "src/api/changes";
import type { Change, Details, Outcome } from "src/api/changes";
import { useCalm } from "src/components/useCalm";

/**
 * The command line that does what is planned, with the reason typed so far; there is one for a change of one Dag only.
 *
 * It is asked for beside the plan, never as the plan: a letter typed must not change what is shown and then carried out.
 * Nor is it asked for once `acting`: the change may be made before the answer, and then there is nothing left to plan.
 */
export function useCommand(
  change: Change,
  { reason, ...flags }: Details,
  planned: Outcome[] | undefined,
  acting: boolean,
): string | undefined {
  const single = change.dagIds.length === 1 && planned !== undefined;
  const calm = useCalm(reason.trim());
  const withReason = useQuery({ ...commandQuery(change, flags, calm), enabled: single && calm !== "" && !acting });
  if (!single) return undefined;
  const [outcome] = (calm === "" ? undefined : withReason.data) ?? planned;
  return outcome?.command;
}
