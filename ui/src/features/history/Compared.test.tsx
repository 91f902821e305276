import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, it, vi } from "vitest";

import { Compared } from "src/features/history/Compared";

function show(...marked: string[]) {
  const { container } = render(
    <ChakraProvider value={defaultSystem}>
      <MemoryRouter>
        <Compared dagId="a b" marked={marked} onForget={vi.fn()} />
      </MemoryRouter>
    </ChakraProvider>,
  );
  return container;
}

it("two marked runs lead to their comparison on the Dag's releases", () => {
  show("scheduled__2026-01-01T00:00:00+00:00", "manual & more");
  const link = new URL(screen.getByRole("link", { name: "Compare" }).getAttribute("href") ?? "", "http://airflow");
  expect(link.pathname).toBe("/dags/a%20b/plugin/dag-releases");
  expect(Object.fromEntries(link.searchParams)).toEqual({
    view: "compare",
    from_run: "scheduled__2026-01-01T00:00:00+00:00",
    to_run: "manual & more",
  });
});

it("one marked run says how to mark another, and none says nothing", () => {
  show("one");
  expect(screen.getByRole("status").textContent).toMatch(/Ctrl-click another run/);
  expect(screen.queryByRole("link")).toBeNull();
  expect(show().querySelector("[role=status]")).toBeNull();
});
