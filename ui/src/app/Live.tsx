/** Live pages: a small question every two seconds while the page is visible; on news, what it concerns is read again. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { Query } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { keys } from "src/api/keys";
import { newsQuery } from "src/api/news";

/** Runs of a busy deployment begin and end all the time: so often is what shows them read again. */
const RUNS_MS = 5_000;

export function Live({ dagId }: { dagId?: string }) {
  const client = useQueryClient();
  const seen = useRef<number | null>(null);
  const runs = useRef<string | null>(null);
  const readAt = useRef(0);
  const { data, dataUpdatedAt } = useQuery(newsQuery(dagId, () => seen.current));
  useEffect(() => {
    if (data === undefined) return;
    const first = seen.current === null;
    const news = !first && data.last_event_id !== seen.current;
    const ran = !first && data.runs !== runs.current && dataUpdatedAt - readAt.current >= RUNS_MS;
    seen.current = data.last_event_id;
    if (first || news || ran) {
      runs.current = data.runs;
      readAt.current = dataUpdatedAt;
    }
    if (news) {
      void client.invalidateQueries({ queryKey: keys.fleet });
      for (const changed of data.dag_ids) void client.invalidateQueries({ queryKey: keys.dag(changed) });
    } else if (ran) {
      void client.invalidateQueries({ queryKey: keys.fleetPage });
    } else if (first) {
      // What happened after the page was read and before this answer, this answer counts as known.
      const older = { predicate: ({ state }: Query) => state.dataUpdatedAt > 0 && state.dataUpdatedAt < dataUpdatedAt };
      void client.invalidateQueries({ queryKey: keys.fleet, ...older });
      if (dagId !== undefined) void client.invalidateQueries({ queryKey: keys.dag(dagId), ...older });
    }
  }, [data, dataUpdatedAt, client, dagId]);
  return null;
}
