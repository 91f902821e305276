/** Which builds a Dag's data of which dates is for: eras, and gaps in which the active release runs. */
import { queryOptions } from "@tanstack/react-query";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";
import type { Schemas } from "src/api/schemas";

export type Timeline = Schemas["Timeline"];
export type Stretch = Schemas["Stretch"];
export type Variant = Schemas["Variant"];
export type TimelineCheck = Schemas["TimelineCheck"];
export type TimelineChange = Schemas["TimelineChange"];
export type TimelineRevision = Schemas["TimelineRevision"];
export type WaitingSensor = Schemas["WaitingSensor"];
export type DatedRun = Schemas["DatedRun"];
export type ClearedByDate = Schemas["ClearedByDate"];

/** Runs begin and end without any event of ours. */
const NOW_AND_THEN = { refetchInterval: 30_000 } as const;
const ASKED_ONCE = { gcTime: 0, staleTime: Infinity, retry: false, refetchOnWindowFocus: false } as const;

export function timelineQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "timeline"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/dags/{dag_id}/timeline", { params: { path: { dag_id: dagId } }, signal })),
    ...NOW_AND_THEN,
  });
}

/** The runs that are on another build than that of their date, and those on which somebody decided. */
export function timelineCheckQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "timeline", "check"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/dags/{dag_id}/timeline/check", { params: { path: { dag_id: dagId } }, signal })),
    ...NOW_AND_THEN,
  });
}

/** Every revision, newest first. */
export function timelineHistoryQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.dag(dagId), "timeline", "history"],
    queryFn: ({ signal }) => answer(api.GET("/api/v1/dags/{dag_id}/timeline/history", { params: { path: { dag_id: dagId } }, signal })),
  });
}

/** What to make of some dates. */
export interface EraChange {
  /** `put`: with `others` it is the whole timeline. */
  verb: "set" | "unset" | "put";
  from: string | null;
  until: string | null;
  /** Of `set` and `put`. */
  build?: number;
  others?: { from: string | null; until: string | null; build?: number }[];
  reason: string | null;
  /** The revision that was seen, 0 for none. */
  expectedRevision: number;
  /** Also what can not be imported now. */
  force: boolean;
  /** Also what no Dag processor looked at. */
  unchecked: boolean;
}

/** Make the next revision, or only say what it would be. */
export function changeTimeline(dagId: string, change: EraChange, { plan, key }: { plan: boolean; key?: string }) {
  const { verb, from, until, build, others = [], reason, expectedRevision, force, unchecked } = change;
  const header = key === undefined ? {} : { "Idempotency-Key": key };
  return answer(
    api.PUT("/api/v1/dags/{dag_id}/timeline", {
      params: { path: { dag_id: dagId }, header },
      body: {
        verb,
        eras: [...others, { from, until, ...(verb === "unset" ? {} : { build }) }],
        reason,
        expected_revision: expectedRevision,
        force,
        unchecked,
        plan,
      },
    }),
  );
}

export function timelinePlanQuery(dagId: string, change: EraChange) {
  return queryOptions({
    queryKey: [...keys.all, "plan", "timeline", dagId, change],
    queryFn: () => changeTimeline(dagId, change, { plan: true }),
    ...ASKED_ONCE,
  });
}

/** Run again what does not match, or only say what that would be. */
export function clearByDate(dagId: string, { reason, plan, key }: { reason: string | null; plan: boolean; key?: string }) {
  const header = key === undefined ? {} : { "Idempotency-Key": key };
  return answer(api.POST("/api/v1/dags/{dag_id}/timeline/clear-runs", { params: { path: { dag_id: dagId }, header }, body: { reason, plan, run_ids: [] } }));
}

export function clearByDatePlanQuery(dagId: string) {
  return queryOptions({
    queryKey: [...keys.all, "plan", "clear-by-date", dagId],
    queryFn: () => clearByDate(dagId, { reason: null, plan: true }),
    ...ASKED_ONCE,
  });
}

/** Whether any dates are for a build of their own. */
export function hasEras(timeline: Timeline | undefined): boolean {
  return timeline?.stretches.some(({ gap }) => !gap) ?? false;
}

/** Whether the dates of runs of this Dag choose builds, or tasks of them. */
export function isDated(timeline: Timeline | undefined): boolean {
  return timeline?.dated ?? false;
}
