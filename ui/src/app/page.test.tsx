import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { cleanup, render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { beforeEach, expect, test, vi } from "vitest";

import { card, page } from "src/app/page";

beforeEach(() => vi.stubGlobal("fetch", async () => Response.json({ last_event_id: 1, dag_ids: [] })));

const Page = page(() => <button>ours</button>);

function open(around?: React.ReactNode) {
  render(
    <MemoryRouter>
      <ChakraProvider value={defaultSystem}>
        {around}
        <Page dagId="etl" />
      </ChakraProvider>
    </MemoryRouter>,
  );
  return screen.getByRole("region", { name: "Pinwheel" });
}

test("a page of ours is a named landmark, and takes the focus when it is opened", () => {
  expect(open()).toBe(document.activeElement);
});

test("whoever types elsewhere goes on typing", () => {
  const region = open(<input autoFocus aria-label="search" />);
  expect(document.activeElement).toBe(screen.getByLabelText("search"));
  expect(region).toBeDefined();
});

test("an open dialog keeps the focus, a closed one does not", () => {
  expect(open(<div role="dialog" data-state="open" />)).not.toBe(document.activeElement);
  cleanup();
  expect(open(<div role="dialog" data-state="closed" />)).toBe(document.activeElement);
});

test("a card on a page of Airflow's takes no focus, and a fault of it leaves nothing behind", () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const Card = card(() => <p>card</p>);
  const Faulty = card(() => {
    throw new Error("meant to fail");
  });
  const { container } = render(
    <ChakraProvider value={defaultSystem}>
      <Card />
      <Faulty />
    </ChakraProvider>,
  );
  expect(container.textContent).toBe("card");
  expect(document.activeElement).toBe(document.body);
});
