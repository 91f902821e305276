/** The query client: how long answers count as new, and what is asked again. */
import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "src/api/errors";

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
