/** Live pages: a small question every two seconds while the page is visible; on news, what it concerns is read again. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { answer, api } from "src/api/client";
import { keys } from "src/api/keys";

const POLL_MS = 2_000;

export function Live({ dagId }: { dagId?: string }) {
  const client = useQueryClient();
  const seen = useRef<number | null>(null);
  const { data } = useQuery({
    queryKey: [...keys.live, dagId ?? null],
    queryFn: ({ signal }) =>
      answer(
        api.GET("/api/v1/changes", {
          params: { query: { after: seen.current ?? undefined, dag_id: dagId } },
          signal,
        }),
      ),
    refetchInterval: POLL_MS,
    retry: false,
    staleTime: 0,
    gcTime: 0,
  });
  useEffect(() => {
    if (data === undefined) return;
    const first = seen.current === null;
    const news = !first && data.last_event_id !== seen.current;
    seen.current = data.last_event_id;
    if (!news) return;
    void client.invalidateQueries({ queryKey: keys.fleet });
    for (const changed of data.dag_ids) void client.invalidateQueries({ queryKey: keys.dag(changed) });
  }, [data, client]);
  return null;
}
