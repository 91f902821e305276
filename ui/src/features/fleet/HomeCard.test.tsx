import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test, vi } from "vitest";

import HomeCard from "src/features/fleet/HomeCard";

let asked: string[] = [];

function show(counts: object | undefined) {
  asked = [];
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    asked.push(url);
    return counts === undefined ? Response.json({}, { status: 403 }) : Response.json({ dags: [], counts });
  });
  return render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter>
          <HomeCard />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
}

test("the card counts what is wrong, what fails before all, and each number leads to these Dags", async () => {
  show({ all: 333, held: 11, pinned: 10, broken: 1, failing: 3 });
  const links = await screen.findAllByRole("link");
  expect(links.map((link) => [link.textContent, link.getAttribute("href")])).toEqual([
    ["3 failing since release", "/plugin/releases?failing=true"],
    ["1 broken", "/plugin/releases?broken=true"],
    ["11 held", "/plugin/releases?held=true"],
  ]);
  expect(asked.map((url) => new URL(url).search)).toEqual(["?limit=1"]);
});

test("with nothing wrong it says so", async () => {
  show({ all: 2, held: 0, pinned: 0, broken: 0, failing: 0 });
  expect((await screen.findByTestId("home-card")).textContent).toBe("ReleasesNo Dag is failing since its release, broken or held.");
});

test("without Dags, or without an answer, it is not there", async () => {
  for (const counts of [{ all: 0, held: 0, pinned: 0, broken: 0, failing: 0 }, undefined]) {
    const { container, unmount } = show(counts);
    await waitFor(() => expect(asked).toHaveLength(1));
    expect(container.textContent).toBe("");
    unmount();
  }
});
