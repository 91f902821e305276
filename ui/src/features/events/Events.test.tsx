import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, fireEvent, render, screen, within } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { beforeEach, expect, test, vi } from "vitest";

import { Events } from "src/features/events";

let asked: URLSearchParams[] = [];

const event = (id: number, details: object = {}) => ({
  id,
  at: "2026-11-21T13:19:55+00:00",
  kind: "broken",
  dag_id: `risk_${id}`,
  bundle: "shop",
  actor: "pinwheel",
  reason: null,
  batch: "b1",
  commit: { version: "0319505917ef", url: "https://git/0319505917ef", author: "Linus <l@shop.example>" },
  error: "SyntaxError: x",
  path: "dags/risk_factory.py",
  ...details,
});

beforeEach(() => {
  asked = [];
  window.history.replaceState(null, "", "/?view=events");
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const params = new URL(url).searchParams;
    asked.push(params);
    const alike = { events: 55, dags: 55, paths: 1, first_at: "2026-11-21T13:19:50+00:00" };
    const back = event(99, { kind: "rollback", actor: "ada", dag_id: "etl", reason: "wrong totals", batch: "b2", release: 4, build: 2, from_build: 3, message: "held on build 2 until unpinned", error: undefined });
    const found = params.has("batch") ? [event(55), event(54)] : [back, event(55, { alike })];
    return Response.json({ events: found, next_before_id: null });
  });
});

async function open() {
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <Events />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
  return screen.findByTestId("event-55");
}

test("events of one commit are one line that opens to each of them", async () => {
  const row = await open();
  expect(row.textContent).toContain("55 Dags of risk_factory.py: SyntaxError: x");
  expect(asked[0]?.get("fold")).toBe("true");
  await act(async () => fireEvent.click(within(row).getByRole("button", { name: "Show the 55 events" })));
  expect(await screen.findAllByTestId("event-within")).toHaveLength(2);
  expect(asked.at(-1)?.get("batch")).toBe("b1");
  expect(asked.at(-1)?.getAll("kind")).toEqual(["broken"]);
});

test("what people did is asked for unless somebody wants more", async () => {
  await open();
  expect(asked[0]?.getAll("kind")).toContain("rollback");
  expect(asked[0]?.getAll("kind")).not.toContain("broken");
  await act(async () => fireEvent.change(screen.getByLabelText("Kind"), { target: { value: "All events" } }));
  expect(asked.at(-1)?.getAll("kind")).toEqual([]);
});

test("an event leads to its release and to its commit, and names the author of what happened by itself", async () => {
  const row = await open();
  const back = screen.getByTestId("event-99");
  expect(back.textContent).toContain("Back to build 2 (release 4), from build 3");
  expect(within(back).getByRole("link", { name: "Release 4" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-releases#r4");
  expect(within(back).getByRole("link", { name: "0319505917ef" }).getAttribute("href")).toBe("https://git/0319505917ef");
  expect(row.textContent).toContain("Linus");
  expect(row.textContent).toContain("by itself");
  expect(row.textContent).not.toContain("l@shop.example");
});

test("the last hour is one click, and the next one takes it away; a changed time is no longer it", async () => {
  await open();
  const chip = () => screen.getByRole("button", { name: "Last hour" });
  await act(async () => fireEvent.click(chip()));
  expect(chip().getAttribute("aria-pressed")).toBe("true");
  expect(asked.at(-1)?.get("since")).not.toBeNull();
  await act(async () => fireEvent.click(chip()));
  expect(chip().getAttribute("aria-pressed")).toBe("false");
  expect(window.location.search).toBe("?view=events");
});

test("the zone of the times is said, and reasons can be searched", async () => {
  localStorage.setItem("timezone", JSON.stringify("Asia/Kolkata"));
  vi.useFakeTimers({ shouldAdvanceTime: true });
  await open();
  expect(screen.getByRole("columnheader", { name: "When (Asia/Kolkata)" })).toBeDefined();
  fireEvent.change(screen.getByLabelText("Search reasons"), { target: { value: "totals" } });
  await act(() => vi.advanceTimersByTimeAsync(400));
  expect(asked.at(-1)?.get("search")).toBe("totals");
  localStorage.clear();
  vi.useRealTimers();
});

test("what came with an event is told beside the links to it", async () => {
  await open();
  expect(screen.getByTestId("event-99").textContent).toContain("held on build 2 until unpinned");
});
