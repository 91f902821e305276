/** Which Dag a page is about, so that what names its releases and builds can lead to them. */
import { createContext, useContext } from "react";

const OfDag = createContext<string | undefined>(undefined);

export const DagScope = OfDag.Provider;

export function useDagOfPage(): string | undefined {
  return useContext(OfDag);
}

/** A page of ours on a Dag, as the router takes it. */
export function dagPath(dagId: string, tab: "dag-releases" | "dag-history"): string {
  return `/dags/${encodeURIComponent(dagId)}/plugin/${tab}`;
}
