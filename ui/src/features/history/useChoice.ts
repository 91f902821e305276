/** What is chosen on the page. It stands in the address, so that it can be sent to somebody. */
import { useMemo } from "react";

import { assign, useAddress, writeAddress } from "src/components/address";

export type Name = "run" | "task" | "map" | "instances" | "try" | "version" | "view" | "until" | "limit";

function choose(wanted: Partial<Record<Name, string | undefined>>): void {
  writeAddress((params) => assign(params, wanted), { replace: true });
}

export function useChoice() {
  const params = useAddress();
  return useMemo(() => {
    const read = (name: Name) => params.get(name) ?? undefined;
    const map = Number(read("map") ?? -1);
    return {
      run: read("run"),
      task: read("task"),
      map: Number.isInteger(map) ? map : -1,
      instances: read("instances"),
      try: read("try"),
      version: read("version"),
      view: read("view"),
      until: read("until"),
      limit: read("limit"),
      choose,
    };
  }, [params]);
}
