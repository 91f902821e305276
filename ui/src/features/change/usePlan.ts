import { useQuery } from "@tanstack/react-query";

import { justifiedPlanQuery, planQuery } from "src/api/changes";
import type { Change, Details, Outcome } from "src/api/changes";
import { rejects } from "src/api/errors";
import type { ApiError } from "src/api/errors";
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

/** What a change would do. The reason is asked for beside it: which one it is changes nothing in the plan. */
export function usePlan(change: Change, { reason, ...flags }: Details): Planned {
  const calm = useCalm(reason.trim());
  const plain = useQuery({ ...planQuery(change, flags), enabled: change.dagIds.length > 0 });
  const refusal = rejects(plain.error) ? plain.error : undefined;
  const justified = useQuery({ ...justifiedPlanQuery(change, flags, calm), enabled: refusal !== undefined && calm !== "" });
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
