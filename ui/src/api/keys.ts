/** The names under which answers are kept: one factory, so that news can find them. */

const REFRESH_MS = 5_000;

/**
 * Keys. Whatever shows one Dag starts with `keys.dag(dagId)`; what shows many starts with `keys.fleet`.
 * News of a Dag make these be asked again.
 */
export const keys = {
  all: ["pinwheel"] as const,
  live: ["pinwheel", "live"] as const,
  fleet: ["pinwheel", "fleet"] as const,
  /** Of what shows many, that which shows how their runs go. */
  fleetPage: ["pinwheel", "fleet", "page"] as const,
  dag: (dagId: string) => ["pinwheel", "dag", dagId] as const,
};

/**
 * For what a build holds, kept under a key with its digest: builds and releases of unstable Dags are written anew
 * under the same number, often without news. Where no digest tells, it is asked again like anything else.
 */
export function keptBy(...digests: (string | null)[]) {
  return digests.every((digest) => typeof digest === "string") ? ({ staleTime: Infinity } as const) : {};
}

/** For queries that show runs, which change without any event of ours. */
export const whileRunning = { refetchInterval: REFRESH_MS } as const;
