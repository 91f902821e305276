import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { render, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { expect, test, vi } from "vitest";

import { compareQuery } from "src/api/compare";
import { Files } from "src/features/releases/compare/Files";
import type { Comparison } from "src/features/releases/compare/words";

function within(client: QueryClient, children: ReactNode) {
  return (
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={client}>{children}</QueryClientProvider>
    </ChakraProvider>
  );
}

function counted(): () => number {
  let asked = 0;
  vi.stubGlobal("fetch", async () => {
    asked += 1;
    return Response.json({ path: "d.py", change: "same", from: null, to: { text: null, why_not: "binary", size: 1 } });
  });
  return () => asked;
}

test("a compared file is read again when one of the builds was written anew under its number, and else not", async () => {
  const asked = counted();
  const client = new QueryClient();
  const files = (digest: string) => {
    const found = { from: { build: 1, digest: "a" }, to: { build: 2, digest }, files: [{ path: "d.py", change: "modified" }] } as Comparison;
    return within(client, <Files dagId="etl" found={found} path={null} view={null} onSet={() => undefined} />);
  };
  const { rerender } = render(files("b"));
  await waitFor(() => expect(asked()).toBe(1));
  rerender(files("b"));
  expect(asked()).toBe(1);
  rerender(files("c"));
  await waitFor(() => expect(asked()).toBe(2));
});

test("a comparison is made again when it is looked at again", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const asked = counted();
    const client = new QueryClient({ defaultOptions: { queries: { staleTime: 2_000 } } });
    const Compared = () => <>{useQuery(compareQuery("etl", { from: "b1", to: "b2" })).status}</>;
    const { unmount } = render(within(client, <Compared />));
    await waitFor(() => expect(client.isFetching()).toBe(0));
    expect(asked()).toBe(1);
    unmount();
    vi.setSystemTime(Date.now() + 3_000);
    render(within(client, <Compared />));
    await waitFor(() => expect(asked()).toBe(2));
  } finally {
    vi.useRealTimers();
  }
});
