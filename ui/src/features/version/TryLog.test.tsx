import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";

import { TryLog } from "src/features/version/TryLog";

const CONTENT = ["::group::Sources", "from here", "::endgroup::", "::group::Post", { event: "boom", level: "error" }, "::endgroup::", "done"];

async function show() {
  vi.stubGlobal("fetch", async () => Response.json({ content: CONTENT }));
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient()}>
        <TryLog dagId="d" runId="r" taskId="t" mapIndex={-1} tryNumber={2} running={false} />
      </QueryClientProvider>
    </ChakraProvider>,
  );
  return screen.findByRole("log", { name: "Log of try 2" });
}

it("the groups of a log are folded, but for one that holds an error", async () => {
  const log = await show();
  const groups = [...log.querySelectorAll("details")];
  expect(groups.map((one) => [one.querySelector("summary")?.textContent, one.open])).toEqual([
    ["Sources", false],
    ["Post", true],
  ]);
  expect(log.textContent).not.toContain("::");
});

it("a search shows the lines that have the text, of folded groups too", async () => {
  const log = await show();
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "HERE" } });
  expect(log.textContent).toBe("from here");
  expect(screen.getByRole("status").textContent).toBe("1 of 3 lines");
});
