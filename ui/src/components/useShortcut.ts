import { useEffect, useRef } from "react";

/** Where a letter is typed, or means something else. */
const ELSEWHERE = "input, textarea, select, [contenteditable]:not([contenteditable='false']), [role=dialog], [role=menu]";

/** Whether one is open; Airflow's pages hold closed ones. */
export function dialogIsOpen(): boolean {
  return document.querySelector("[role=dialog][data-state=open], dialog[open]") !== null;
}

/** A letter does this, unless it is typed into a field, a dialog is open, or there is nothing to do. */
export function useShortcut(letter: string, act: (() => void) | undefined): void {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const { key, target } = event;
      if (key !== letter || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.defaultPrevented) return;
      if (latest.current === undefined || dialogIsOpen()) return;
      if (target instanceof Element && target.closest(ELSEWHERE) !== null) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [letter]);
}
