/** The query client, and the names under which answers are kept: one factory, so that news can find them. */
import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "src/api/client";

const REFRESH_MS = 5_000;

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // 4xx will be the same again; a busy or restarting server may not.
      retry: (count, error) => count < 2 && !(error instanceof ApiError && error.status < 500),
      refetchOnWindowFocus: true,
      // Ask also when the browser believes to be offline: Airflow may run on this machine.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

/**
 * Keys. Whatever shows one Dag starts with `keys.dag(dagId)`; what shows many starts with `keys.fleet`.
 * News of a Dag make these be asked again.
 */
export const keys = {
  all: ["pinwheel"] as const,
  live: ["pinwheel", "live"] as const,
  fleet: ["pinwheel", "fleet"] as const,
  dag: (dagId: string) => ["pinwheel", "dag", dagId] as const,
};

/** For queries that show runs, which change without any event of ours. */
export const whileRunning = { refetchInterval: REFRESH_MS } as const;
