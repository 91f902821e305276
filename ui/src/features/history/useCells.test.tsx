import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { GridRun } from "src/api/history";
import type { Row } from "src/features/history/grid/rows";
import { useCells } from "src/features/history/useCells";

let state = "running";
let asked = 0;

beforeEach(() => {
  vi.useFakeTimers();
  [state, asked] = ["running", 0];
  vi.stubGlobal("fetch", async () => {
    asked += 1;
    const body = JSON.stringify({ cells: [[{ state, tries: 1, version: "r1" }]], groups: [{}] });
    return new Response(body, { headers: { "Content-Type": "application/json" } });
  });
});

afterEach(() => vi.useRealTimers());

const ROWS = [{ key: "/t", id: "t", isGroup: false }] as Row[];
const INSIDE = new Map<string, string[]>();
const client = new QueryClient();
const wrapper = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>;

async function seconds(number: number) {
  await act(() => vi.advanceTimersByTimeAsync(number * 1000));
}

test("the cells of a run that has ended are read once more: what was known may be from just before", async () => {
  const read = (of: string) => [{ run_id: "one", state: of }] as GridRun[];
  const { result, rerender } = renderHook(({ runs }) => useCells("etl", runs, ROWS, INSIDE, ROWS), {
    initialProps: { runs: read("running") },
    wrapper,
  });
  await seconds(1);
  expect(result.current("one", ROWS[0]!)).toMatchObject({ state: "running" });

  state = "success";
  const before = asked;
  rerender({ runs: read("success") });
  await seconds(1);
  expect(result.current("one", ROWS[0]!)).toMatchObject({ state: "success" });
  await seconds(60);
  expect(asked).toBe(before + 1);
});
