import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import { TryDialog } from "src/features/releases/TryDialog";

const ERAS = { dated: true, dated_by: "data_interval" };
const NO_ERAS = { dated: false, dated_by: null };
const RUN = { dag_id: "d", run_id: "r", build: 3, release: 3, bundle_version: "3".repeat(40), plan: true, command: "pinwheel trigger d" };

/** What was sent to start a run; the server's eras choose build 1. */
function server(timeline: object, more: object = {}) {
  const sent: Record<string, unknown>[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method === "GET") return new Response(JSON.stringify(timeline), { headers: { "Content-Type": "application/json" } });
    const body = (await request.json()) as Record<string, unknown>;
    sent.push(body);
    const answer = { ...RUN, ...(body["by_date"] === true ? { build: 1, ...more } : { build: body["build"] }), plan: body["plan"] };
    return new Response(JSON.stringify(answer), { headers: { "Content-Type": "application/json" } });
  });
  return sent;
}

function open(build: number, active: boolean) {
  render(
    <QueryClientProvider client={new QueryClient()}>
      <ChakraProvider value={defaultSystem}>
        <MemoryRouter>
          <TryDialog dagId="d" build={build} active={active} onClose={vi.fn()} />
        </MemoryRouter>
      </ChakraProvider>
    </QueryClientProvider>,
  );
}

const checked = () => screen.getAllByRole<HTMLInputElement>("radio").map((radio) => radio.checked);

test("a run of a Dag with eras takes the build of its date, unless somebody says another", async () => {
  const sent = server(ERAS);
  open(3, true);
  expect(await screen.findByText(/One run starts on build 1, that of its date/)).toBeDefined();
  expect(checked()).toEqual([true, false]);
  expect(screen.getByText("The build of its data interval")).toBeDefined();
  fireEvent.click(screen.getByRole("button", { name: "Start the run" }));
  await screen.findByText(/is on its way, on build 1, that of its date/);
  expect(sent.map(({ by_date: byDate, build, plan }) => [byDate, build, plan])).toEqual([
    [true, undefined, true],
    [true, undefined, false],
  ]);
});

test("of a build that somebody tries it is offered, and not chosen", async () => {
  const sent = server(ERAS);
  open(4, false);
  await screen.findAllByRole("radio");
  expect(checked()).toEqual([false, true]);
  expect(screen.getByText(/One run starts on build 4\./)).toBeDefined();
  await waitFor(() => expect(sent.at(-1)).toMatchObject({ build: 4, plan: true }));
  expect(sent.at(-1)).not.toHaveProperty("by_date");
});

test("a run whose build is not ready yet is said to wait for it", async () => {
  server(ERAS, { build: 3, bundle_version: null });
  open(3, true);
  expect(await screen.findByText(/One run starts on the build of its date, as soon as that is ready/)).toBeDefined();
});

test("a Dag without eras has nothing to choose", async () => {
  const sent = server(NO_ERAS);
  open(3, true);
  await waitFor(() => expect(sent.at(-1)).toMatchObject({ build: 3, plan: true }));
  expect(screen.queryByRole("radio")).toBeNull();
});
