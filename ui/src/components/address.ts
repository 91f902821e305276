/**
 * What stands behind the `?` of the page's address: read by all, written past Airflow's router.
 *
 * Airflow 3.3 mounts a plugin's page anew whenever the router's location changes. A field that is being typed in
 * would lose the focus, rows could not move, a scrolled page would begin at its top. The router learns of what is
 * written here with the next navigation, or with the browser's Back.
 */
import { useMemo, useSyncExternalStore } from "react";
import { useLocation } from "react-router-dom";

const CHANGED = "pinwheel-address";

function subscribe(changed: () => void): () => void {
  const events = [CHANGED, "popstate"];
  for (const name of events) window.addEventListener(name, changed);
  return () => {
    for (const name of events) window.removeEventListener(name, changed);
  };
}

const search = () => window.location.search;

/** Change parameters in place: `replace` without a step for the browser's Back. */
export function writeAddress(change: (params: URLSearchParams) => void, { replace = false } = {}): void {
  const url = new URL(window.location.href);
  change(url.searchParams);
  if (url.href === window.location.href) return;
  const state = window.history.state as { idx?: number } | null;
  if (replace) {
    window.history.replaceState(state, "", url);
  } else {
    // As the router counts its own steps.
    window.history.pushState({ ...state, idx: (state?.idx ?? 0) + 1 }, "", url);
  }
  window.dispatchEvent(new Event(CHANGED));
}

/** Set these parameters, and take away those without a value. */
export function assign(params: URLSearchParams, values: Record<string, string | number | null | undefined>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "") params.delete(name);
    else params.set(name, String(value));
  }
}

/** The parameters as they are now. */
export function useAddress(): URLSearchParams {
  useLocation(); // Rendered anew with each of the router's navigations, of which the window says nothing.
  const text = useSyncExternalStore(subscribe, search);
  return useMemo(() => new URLSearchParams(text), [text]);
}

const hash = () => window.location.hash;

/** What stands behind the `#`: a place on the page. */
export function useAnchor(): string {
  useLocation();
  return useSyncExternalStore(subscribe, hash).slice(1);
}

/** Go to a place on this page, past the router like all else here. */
export function writeAnchor(anchor: string): void {
  const url = new URL(window.location.href);
  url.hash = anchor;
  window.history.replaceState(window.history.state, "", url);
  window.dispatchEvent(new Event(CHANGED));
}
