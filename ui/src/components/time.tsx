/** Instants in the time zone that the user chose in Airflow. */
import { chakra } from "@chakra-ui/react";
import { useSyncExternalStore } from "react";

import { Tooltip } from "src/components/Tooltip";

const STORED = "timezone"; // Where Airflow's UI keeps the choice (3.3, 3.4), as JSON.

function chosenTimezone(): string {
  const browser = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const stored = localStorage.getItem(STORED);
  if (stored === null) return browser;
  try {
    const zone: unknown = JSON.parse(stored);
    if (typeof zone !== "string") return browser;
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone;
  } catch {
    return browser;
  }
}

function subscribe(changed: () => void): () => void {
  const events = ["storage", "local-storage"]; // Other windows; this one, by Airflow's own hook.
  for (const name of events) window.addEventListener(name, changed);
  return () => {
    for (const name of events) window.removeEventListener(name, changed);
  };
}

export function useTimezone(): string {
  return useSyncExternalStore(subscribe, chosenTimezone);
}

/** "2026-11-21 13:15:35", as Airflow writes it. */
export function absolute(at: string, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("sv-SE", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  return parts.format(new Date(at));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 minutes ago". */
export function relative(at: string, now: number): string {
  const seconds = (new Date(at).getTime() - now) / 1000;
  const format = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return Math.abs(seconds) < 10 ? "just now" : format.format(Math.trunc(seconds), "second");
}

let now = Date.now();
const listeners = new Set<() => void>();
setInterval(() => {
  now = Date.now();
  for (const listener of listeners) listener();
}, 10_000);

function useNow(): number {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => now,
  );
}

/** An instant: relative with the absolute one as tooltip, or the other way round. A dash when there is none. */
export function Time({ at, as = "relative" }: { at: string | null | undefined; as?: "relative" | "absolute" }) {
  const timezone = useTimezone();
  const current = useNow();
  if (at === null || at === undefined) return <>–</>;
  const exact = `${absolute(at, timezone)} ${timezone}`;
  const ago = relative(at, Math.max(current, Date.now() - 10_000));
  return (
    <Tooltip content={as === "relative" ? exact : ago}>
      <chakra.time dateTime={at} whiteSpace="nowrap">
        {as === "relative" ? ago : absolute(at, timezone)}
      </chakra.time>
    </Tooltip>
  );
}
