import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import Strip from "src/features/releases/Strip";
import { release } from "src/features/releases/testing";

const STATUS = {
  dag_id: "etl",
  active_release: 3,
  active_build: 2,
  newest_build: 3,
  label: null,
  retired: false,
  track: "pinned",
  held: true,
  holds: [],
  actor: "ada",
  reason: "month end",
  since: "2026-11-21T12:00:00+00:00",
  broken: null,
};

async function strip(status: object, line: object) {
  vi.stubGlobal("fetch", async ({ url }: Request) => Response.json(url.includes("/line") ? line : status));
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient()}>
        <MemoryRouter>
          <Strip dagId="etl" />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
  return screen.findByTestId("dag-strip");
}

test("the strip says what is active, what failed on it, who pinned the Dag and what waits, and leads to both tabs", async () => {
  const active = release(3, 2, 1, { active: true, runs: { failed: 2, success: 1 } });
  const shown = await strip(STATUS, { releases: [], in_force: active });
  expect((await screen.findByText("2 failed since release")).closest("a")?.getAttribute("href")).toBe("/dags/etl/runs?state=failed");
  expect(shown.textContent).toContain("Release 3");
  expect(shown.textContent).toContain("released by itself");
  expect(shown.textContent).toContain("Pinned by ada");
  expect(shown.textContent).toContain("build 3 waits");
  expect(screen.getByRole("link", { name: "Releases" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-releases");
  expect(screen.getByRole("link", { name: "Dag History" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-history");
});

test("a Dag that stands well has a short one", async () => {
  const fine = { ...STATUS, track: "auto", held: false, newest_build: 2 };
  const shown = await strip(fine, { releases: [release(3, 2, 1, { active: true })], in_force: null });
  expect(shown.textContent).not.toContain("failed");
  expect(shown.textContent).not.toContain("Pinned");
});
