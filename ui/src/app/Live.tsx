/** Live pages: a small question every two seconds while the page is visible; on news, what it concerns is read again. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import { keys } from "src/api/keys";
import { newsQuery } from "src/api/news";

export function Live({ dagId }: { dagId?: string }) {
  const client = useQueryClient();
  const seen = useRef<number | null>(null);
  const { data } = useQuery(newsQuery(dagId, () => seen.current));
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
