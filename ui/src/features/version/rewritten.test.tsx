/** Builds and releases of unstable Dags are written anew under the same number: what is kept of them is told by digest. */
import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter } from "react-router-dom";
import { beforeEach, expect, test, vi } from "vitest";

import type { Version } from "src/api/versions";
import { VersionCode, VersionGraph } from "src/features/version";

const version = (digest: string) => ({ key: "r1", kind: "release", release: 1, build: 7, digest, label: null, bundle_version: null, path: "d.py" }) as Version;

let asked: string[] = [];
let digest = "a";

beforeEach(() => {
  [asked, digest] = [[], "a"];
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const path = new URL(url).pathname.replace(/^.*\/dags\/etl/, "");
    asked.push(path);
    if (path === "/builds/7") return Response.json({ build: 7, digest, files: [{ path: "d.py", size: 1, read_at_parse: false }], untraced: false });
    if (path === "/compare/file") return Response.json({ path: "d.py", change: "same", from: null, to: { text: null, why_not: "binary", size: 1 } });
    if (path.endsWith("/graph")) return Response.json({ nodes: [], edges: [], groups: [] });
    return Response.json({ cells: [[]], groups: [{}] });
  });
});

async function shown(first: ReactNode, again: ReactNode, anew: ReactNode, last: string, ...parts: string[]) {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: 2_000 } } });
  const around = (children: ReactNode) => (
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={client}>
        <MemoryRouter>{children}</MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>
  );
  const times = () => parts.map((part) => asked.filter((path) => path === part).length);
  const { rerender } = render(around(first));
  await waitFor(() => expect(asked).toContain(last));
  rerender(around(again));
  expect(times()).toEqual(parts.map(() => 1));
  digest = "b";
  rerender(around(anew));
  await waitFor(() => expect(times()).toEqual(parts.map(() => 2)));
}

test("the files of a build are read again when it was written anew", async () => {
  const code = (of: string) => <VersionCode dagId="etl" version={version(of)} />;
  await shown(code("a"), code("a"), code("b"), "/compare/file", "/builds/7", "/compare/file");
});

test("the graph of a release is read again when it was written anew", async () => {
  const graph = (of: string) => <VersionGraph dagId="etl" runId="one" version={version(of)} versions={{}} mixed={false} />;
  await shown(graph("a"), graph("a"), graph("b"), "/versions/r1/graph", "/versions/r1/graph");
});

test("the graph from before Pinwheel, of which no digest tells, is not kept for good", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const before = { ...version(""), key: "v1", kind: "before", build: null, digest: null } as Version;
    const client = new QueryClient({ defaultOptions: { queries: { staleTime: 2_000 } } });
    const seen = () =>
      render(
        <ChakraProvider value={defaultSystem}>
          <QueryClientProvider client={client}>
            <VersionGraph dagId="etl" runId="one" version={before} versions={{}} mixed={false} />
          </QueryClientProvider>
        </ChakraProvider>,
      );
    const times = () => asked.filter((path) => path === "/versions/v1/graph").length;
    const { unmount } = seen();
    await waitFor(() => expect(times()).toBe(1));
    await waitFor(() => expect(client.isFetching()).toBe(0));
    unmount();
    vi.setSystemTime(Date.now() + 3_000);
    seen();
    await waitFor(() => expect(times()).toBe(2));
  } finally {
    vi.useRealTimers();
  }
});
