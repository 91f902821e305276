/**
 * What is chosen on the page. It stands in the URL, so that it can be sent to somebody.
 *
 * It is written past the router: Airflow mounts a plugin's page anew whenever the router's location changes, and
 * rows that are made anew can not move.
 */
import { useCallback, useMemo, useSyncExternalStore } from "react";

export type Name = "run" | "task" | "map" | "try" | "version" | "view" | "until" | "limit";

const CHANGED = "pinwheel-choice";

function subscribe(changed: () => void): () => void {
  const events = [CHANGED, "popstate"];
  for (const name of events) window.addEventListener(name, changed);
  return () => {
    for (const name of events) window.removeEventListener(name, changed);
  };
}

const search = () => window.location.search;

export function useChoice() {
  const text = useSyncExternalStore(subscribe, search);
  const choose = useCallback((wanted: Partial<Record<Name, string | undefined>>) => {
    const url = new URL(window.location.href);
    for (const [name, value] of Object.entries(wanted)) {
      if (value === undefined) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    window.history.replaceState(window.history.state, "", url);
    window.dispatchEvent(new Event(CHANGED));
  }, []);
  return useMemo(() => {
    const params = new URLSearchParams(text);
    const read = (name: Name) => params.get(name) ?? undefined;
    const map = Number(read("map") ?? -1);
    return {
      run: read("run"),
      task: read("task"),
      map: Number.isInteger(map) ? map : -1,
      try: read("try"),
      version: read("version"),
      view: read("view"),
      until: read("until"),
      limit: read("limit"),
      choose,
    };
  }, [text, choose]);
}
