import { useEffect, useState } from "react";

const CALM_MS = 400;

/** The value once it has not changed for a moment, so that not every letter asks the server. */
export function useCalm(value: string): string {
  const [calm, setCalm] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setCalm(value), CALM_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return calm;
}
