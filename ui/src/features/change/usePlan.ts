import { useQuery } from "@tanstack/react-query";

import { justifiedPlanQuery, planQuery } from "src/api/changes";
import type { Change, Details, Plan } from "src/api/changes";
import { isRejection, rejects } from "src/api/errors";
import type { Refusing } from "src/api/errors";
import { useCalm } from "src/components/useCalm";

interface Planned {
  plan: Plan | undefined;
  /** Why there is no plan. */
  error: Error | null;
  /** What would release a rejected build: who rejected it, when and why. There is a plan of it as soon as there is a reason. */
  rejections: Refusing[];
  loading: boolean;
  fetching: boolean;
  /** Plan anew: what there is may have changed. */
  again: () => void;
}

/**
 * What a change would do. The reason is asked for beside it: which one it is changes nothing in the plan, but where it
 * releases a rejected build, or releases past gates and rules; of many Dags only *on purpose*, since a reason is given for the change of the others too.
 */
export function usePlan(change: Change, { reason, ...flags }: Details, onPurpose: boolean): Planned {
  const calm = useCalm(reason.trim());
  const pastRules = flags.now === true;
  const plain = useQuery({ ...planQuery(change, flags), enabled: change.dagIds.length > 0 && !pastRules });
  // What was planned before it failed is no plan any more.
  const first = plain.error === null && !pastRules ? plain.data : undefined;
  const refused = first?.refused.filter(isRejection) ?? [];
  const rejections: Refusing[] = rejects(plain.error) ? [plain.error.problem] : onPurpose ? refused : [];
  const justified = useQuery({ ...justifiedPlanQuery(change, flags, calm), enabled: (pastRules || rejections.length > 0) && calm !== "" });
  if (rejections.length === 0 && !pastRules) {
    const { error, isLoading, isFetching, refetch } = plain;
    return { plan: first, error, rejections, loading: isLoading, fetching: isFetching, again: () => void refetch() };
  }
  const given = reason.trim() !== "";
  return {
    plan: given ? (justified.data ?? first) : first,
    error: given ? justified.error : null,
    rejections,
    loading: given && justified.isLoading,
    fetching: plain.isFetching || justified.isFetching || (given && justified.data === undefined),
    again: () => void (pastRules ? justified.refetch() : plain.refetch().then(() => justified.refetch())),
  };
}
