/** What is chosen on the page. It stands in the URL, so that it can be sent to somebody. */
import { useCallback } from "react";
import { useSearchParams } from "react-router-dom";

export type Name = "run" | "task" | "map" | "try" | "version" | "view" | "until" | "limit";

export function useChoice() {
  const [params, setParams] = useSearchParams();
  const choose = useCallback(
    (wanted: Partial<Record<Name, string | undefined>>) =>
      setParams((before) => {
        const after = new URLSearchParams(before);
        for (const [name, value] of Object.entries(wanted)) {
          if (value === undefined) after.delete(name);
          else after.set(name, value);
        }
        return after;
      }),
    [setParams],
  );
  const read = (name: Name) => params.get(name) ?? undefined;
  const map = Number(read("map") ?? -1);
  return {
    run: read("run"),
    task: read("task"),
    map: Number.isInteger(map) ? map : -1,
    try: read("try"),
    version: read("version"),
    view: read("view"),
    choose,
  };
}
