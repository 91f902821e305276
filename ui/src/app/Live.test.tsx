import { QueryClient, QueryClientProvider, focusManager, useQuery } from "@tanstack/react-query";
import { act, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { keys } from "src/api/keys";
import { Live } from "src/app/Live";

let last = 7;
let changed: string[] = [];
let asked: (string | null)[] = [];
let runs = "a";

beforeEach(() => {
  vi.useFakeTimers();
  [last, changed, asked, runs] = [7, [], [], "a"];
  vi.stubGlobal("fetch", async (request: Request) => {
    asked.push(new URL(request.url).searchParams.get("after"));
    const body = JSON.stringify({ last_event_id: last, dag_ids: changed, runs });
    return new Response(body, { headers: { "Content-Type": "application/json" } });
  });
});

afterEach(() => vi.useRealTimers());

function Counted({ name, load }: { name: string; load: () => number }) {
  const { data } = useQuery({ queryKey: name === "fleet" ? keys.fleet : name === "page" ? keys.fleetPage : keys.dag(name), queryFn: load, staleTime: Infinity });
  return <p>{`${name} ${data}`}</p>;
}

async function seconds(number: number) {
  await act(() => vi.advanceTimersByTimeAsync(number * 1000));
}

test("news of a Dag makes what shows it, and the fleet, be read again; what shows others is left alone", async () => {
  const loads = { fleet: 0, etl: 0, other: 0 };
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Live />
      {(["fleet", "etl", "other"] as const).map((name) => (
        <Counted key={name} name={name} load={() => (loads[name] += 1)} />
      ))}
    </QueryClientProvider>,
  );
  await seconds(5);
  expect(asked.slice(0, 3)).toEqual([null, "7", "7"]);
  expect(screen.getByText("etl 1")).toBeDefined();

  [last, changed] = [8, ["etl"]];
  await seconds(3);
  expect(screen.getByText("etl 2")).toBeDefined();
  expect(screen.getByText("fleet 2")).toBeDefined();
  expect(screen.getByText("other 1")).toBeDefined();
  await seconds(5);
  expect(asked.at(-1)).toBe("8");
  expect(loads).toEqual({ fleet: 2, etl: 2, other: 1 });
});

test("the end of a run makes the fleet's page be read again, at most every five seconds, and nothing else", async () => {
  const loads = { fleet: 0, page: 0, etl: 0 };
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Live />
      {(["fleet", "page", "etl"] as const).map((name) => (
        <Counted key={name} name={name} load={() => (loads[name] += 1)} />
      ))}
    </QueryClientProvider>,
  );
  await seconds(9);
  expect(loads).toEqual({ fleet: 1, page: 1, etl: 1 });
  runs = "b";
  await seconds(3);
  expect(loads).toEqual({ fleet: 1, page: 2, etl: 1 });
  for (const next of ["c", "d", "e", "f", "g"]) {
    runs = next;
    await seconds(1);
  }
  await seconds(6);
  expect(loads.page).toBeLessThanOrEqual(4);
  const now = loads.page;
  await seconds(20);
  expect(loads).toEqual({ fleet: 1, page: now, etl: 1 });
});

test("a page that is hidden asks nothing", async () => {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Live />
    </QueryClientProvider>,
  );
  await seconds(3);
  focusManager.setFocused(false);
  const before = asked.length;
  await seconds(60);
  expect(asked).toHaveLength(before);
  focusManager.setFocused(true);
  await seconds(3);
  expect(asked.length).toBeGreaterThan(before);
  focusManager.setFocused(undefined);
});
