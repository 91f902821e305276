import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import type { Version } from "src/api/versions";
import { ClearDialog } from "src/features/history/ClearDialog";

const ERAS = { dated: true, dated_by: "data_interval" };
const NO_ERAS = { dated: false, dated_by: null };
const CURRENT = { key: "r2", kind: "release", release: 2, build: 2, label: null, bundle_version: "2".repeat(40) } as Version;
const PREVIEW = {
  dag_id: "d",
  run_id: "r",
  version: "r1",
  tasks: ["t"],
  task_instances: [{ task_id: "t", map_index: -1, state: "success", from_version: "r2" }],
  refused: [],
  added: [],
  warnings: [],
  refusal: null,
  command: "pinwheel clear d r",
};
const CLEARED = { runs: [{}], cleared: 1, changed: true, build: 1 };

function server(timeline: object) {
  const sent: { path: string; body: Record<string, unknown> }[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const { pathname } = new URL(request.url);
    const json = (body: unknown) => new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
    if (request.method === "GET") return json(timeline);
    sent.push({ path: pathname.replace(/^.*\/clear/, "/clear"), body: (await request.json()) as Record<string, unknown> });
    return json(pathname.endsWith("/preview") ? PREVIEW : CLEARED);
  });
  return sent;
}

function open() {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ChakraProvider value={defaultSystem}>
        <MemoryRouter>
          <ClearDialog dagId="d" runId="r" versions={{ r2: CURRENT }} current={CURRENT} active={CURRENT} onClose={vi.fn()} />
        </MemoryRouter>
      </ChakraProvider>
    </QueryClientProvider>,
  );
}

test("a run of a Dag with eras runs again on the build of its date, unless somebody says another", async () => {
  const sent = server(ERAS);
  open();
  await screen.findByText("Release 1");
  const [date, same] = screen.getAllByRole<HTMLInputElement>("radio");
  expect([date?.checked, same?.checked]).toEqual([true, false]);
  fireEvent.click(screen.getByRole("button", { name: "Clear 1 task instance" }));
  await screen.findByText("1 task instance runs again on build 1");
  expect(sent.map(({ path, body }) => [path, body["by_date"]])).toEqual([
    ["/clear/preview", true],
    ["/clear", true],
  ]);
});

test("what the run is bound to can be chosen instead", async () => {
  const sent = server(ERAS);
  open();
  await screen.findByText("The build of its data interval");
  fireEvent.click(screen.getByText(/^What the run is bound to/));
  await waitFor(() => expect(sent.at(-1)?.body["by_date"]).toBe(false));
});

test("a Dag without eras runs again on what the run is bound to, and asks of no date", async () => {
  const sent = server(NO_ERAS);
  open();
  await waitFor(() => expect(sent).toHaveLength(1));
  expect(sent[0]?.body["by_date"]).toBe(false);
  expect(screen.queryByText(/data interval/)).toBeNull();
});
