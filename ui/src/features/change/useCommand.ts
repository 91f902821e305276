import { hashKey, useQuery } from "@tanstack/react-query";
import type { QueryClient } from "@tanstack/react-query";

import { plan } from "src/api/changes";
import type { Change, Details, Outcome } from "src/api/changes";
import { keys } from "src/api/keys";
import { useCalm } from "src/components/useCalm";

const COMMAND = [...keys.all, "command"];

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
  const what = hashKey([change, flags]);
  const withReason = useQuery({
    queryKey: [...COMMAND, what, calm],
    queryFn: ({ signal }) => plan(change, { ...flags, reason: calm }, signal),
    // So that it does not flicker; but never the command of something else.
    placeholderData: (before, query) => (query?.queryKey.at(-2) === what ? before : undefined),
    enabled: single && calm !== "" && !acting,
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });
  if (!single) return undefined;
  const [outcome] = (calm === "" ? undefined : withReason.data) ?? planned;
  return outcome?.command;
}

/** Before the change is made: give up a command that is being asked for. */
export function giveUpCommand(client: QueryClient): Promise<void> {
  return client.cancelQueries({ queryKey: COMMAND });
}
