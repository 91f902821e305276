import { useQuery } from "@tanstack/react-query";

import { plan } from "src/api/changes";
import type { Change, Details, Outcome } from "src/api/changes";
import { ApiError } from "src/api/client";
import { keys } from "src/api/keys";
import { useCalm } from "src/components/useCalm";

interface Planned {
  outcomes: Outcome[] | undefined;
  /** Why there is no plan. */
  error: Error | null;
  /** It would release a rejected build: who rejected it, when and why. There is a plan as soon as there is a reason. */
  refusal: ApiError | undefined;
  loading: boolean;
  fetching: boolean;
  /** Plan anew: what there is may have changed. */
  again: () => void;
}

const ASKED_ONCE = { gcTime: 0, staleTime: Infinity, refetchOnWindowFocus: false };

/** What a change would do. The reason is asked for beside it: which one it is changes nothing in the plan. */
export function usePlan(change: Change, { reason, ...flags }: Details): Planned {
  const calm = useCalm(reason.trim());
  const what = [...keys.all, "plan", change, flags];
  const plain = useQuery({
    ...ASKED_ONCE,
    queryKey: what,
    queryFn: () => plan(change, { ...flags, reason: "" }),
    enabled: change.dagIds.length > 0,
  });
  const refusal = rejects(plain.error) ? plain.error : undefined;
  const justified = useQuery({
    ...ASKED_ONCE,
    queryKey: [...what, "justified"],
    queryFn: () => plan(change, { ...flags, reason: calm }),
    enabled: refusal !== undefined && calm !== "",
  });
  if (refusal === undefined) {
    const { data, error, isLoading, isFetching, refetch } = plain;
    return { outcomes: data, error, refusal, loading: isLoading, fetching: isFetching, again: () => void refetch() };
  }
  const given = reason.trim() !== "";
  return {
    outcomes: given ? justified.data : undefined,
    error: given ? justified.error : null,
    refusal,
    loading: given && justified.isLoading,
    fetching: plain.isFetching || justified.isFetching,
    again: () => void plain.refetch().then(() => justified.refetch()),
  };
}

/** Whether an answer says that a build is rejected, so that releasing it needs a reason. */
export function rejects(error: Error | null): error is ApiError {
  return error instanceof ApiError && typeof error.problem.facts?.rejected_by === "string";
}
