/** A dialog over a made-up server, for tests. */
import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { vi } from "vitest";

import type { Verb } from "src/api/changes";
import { ChangeDialog } from "src/features/change/ChangeDialog";

export const outcome = (dagId: string, more = {}) => ({
  dag_id: dagId,
  changed: true,
  message: "held on build 1 until unpinned",
  kind: "rollback",
  release: null,
  build: 1,
  from_release: 2,
  from_build: 2,
  track: "pinned",
  version: null,
  rejected: null,
  rejected_after: null,
  rejected_until: null,
  lifted: false,
  warnings: [],
  rerun: [],
  rerun_tasks: 0,
  rerun_mixed: 0,
  failed_runs: [],
  not_before: null,
  ...more,
});

export const refusal = (dagId: string, more = {}) => ({
  dag_id: dagId,
  type: "urn:pinwheel:not-found",
  title: "Not found",
  status: 404,
  detail: "",
  failed: `Cannot roll back ${dagId}`,
  found: "no earlier release has another build",
  remedy: `See what exists: pinwheel builds ${dagId}`,
  facts: { dag_id: dagId },
  ...more,
});

export const batch = (outcomes: unknown[], refused: unknown[] = []) => ({ plan: true, outcomes, refused, left_out: [] });

export const at = (minute: number) => `2026-03-01T12:${minute}:00+00:00`;
export const made = (build: number, more = {}) => ({
  build,
  label: `${build}.0.0`,
  bundle_version: `${build}`.repeat(40),
  url: `https://git/${build}`,
  message: `push ${build}\n\nAll of it.`,
  author: "Ada <ada@shop.example>",
  created_at: at(10 + build),
  runs: { success: build },
  rejected: null,
  newer: false,
  ...more,
});
export const released = (release: number, build: number, more = {}) => ({
  release,
  build,
  kind: "auto",
  label: `${build}.0.0`,
  bundle_version: `${build}`.repeat(40),
  created_at: at(10 + release),
  fetchable: true,
  newer: false,
  runs: {},
  run_again_on: {},
  ...more,
});
export const lineOf = (releases: unknown[], builds: unknown[], more = {}) => ({
  dag_id: "etl",
  since: null,
  before: null,
  releases,
  in_force: null,
  builds,
  runs: [],
  more_runs: false,
  runs_before_pinwheel: {},
  way_back: null,
  may: { edit: true, create_runs: true, edit_runs: false, read_code: true, read_runs: true, override: true },
  ...more,
});
export const compared = { files: [{ change: "modified" }, { change: "same" }], structure: { tasks_added: [], tasks_removed: [], tasks_changed: [] } };
const NOTHING_KNOWN: Record<string, unknown> = { line: lineOf([], []), compare: compared, status: { dag_id: "etl", holds: [], bundle_version: null } };

export interface Sent {
  path: string;
  body: Record<string, unknown>;
  key: string | null;
}

/** What is asked beside a change. */
export function toldOf(request: Request, known: Record<string, unknown> = {}): Response {
  const name = /dags\/[^/]+\/(\w+)/.exec(new URL(request.url).pathname)?.[1] ?? "status";
  return new Response(JSON.stringify({ ...NOTHING_KNOWN, ...known }[name]), { headers: { "Content-Type": "application/json" } });
}

/** Answers each change by its body, and what is asked beside it by its name; what was sent to change something. */
export function server(reply: (sent: Sent) => { status?: number; body: unknown }, known: Record<string, unknown> = {}): Sent[] {
  const all: Sent[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method === "GET") return toldOf(request, known);
    const sent = {
      path: new URL(request.url).pathname.replace(/^.*\/api\/v1/, ""),
      body: (await request.json()) as Record<string, unknown>,
      key: request.headers.get("Idempotency-Key"),
    };
    all.push(sent);
    const { status = 200, body } = reply(sent);
    return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
  });
  return all;
}

export function open(dagIds: string[], verb: Verb = "rollback", onDone = vi.fn()) {
  render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter>
          <ChangeDialog verb={verb} dagIds={dagIds} onClose={vi.fn()} onDone={onDone} />
        </MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
  return onDone;
}

export function button(name: string): HTMLButtonElement {
  return screen.getByRole<HTMLButtonElement>("button", { name });
}

export const REJECTED = "grace rejected it at 2026-03-01 10:00 UTC: wrong totals";

/** A server on which build 3 of these Dags is rejected: it is released with a reason only. */
export function rejecting(dagIds: string[]): Sent[] {
  return server(({ path, body }) => {
    const { ids } = (body["selector"] ?? { ids: [path.split("/")[2]] }) as { ids: string[] };
    const refuses = (id: string) => dagIds.includes(id) && body["reason"] === null;
    const no = (id: string) =>
      refusal(id, { type: "urn:pinwheel:refused", status: 403, failed: `Cannot promote ${id} to build 3`, found: REJECTED, facts: { dag_id: id, build: 3, rejected_by: "grace" } });
    const [only = ""] = ids;
    if (path !== "/changes" && refuses(only)) return { status: 403, body: no(only) };
    const all = ids
      .filter((id) => !refuses(id))
      .map((id) => {
        const lifted = dagIds.includes(id);
        const command = `pinwheel promote --reason='${String(body["reason"])}' ${id}`;
        return outcome(id, { kind: "promote", build: 3, lifted, message: lifted ? `promoted, which lifts a rejection: ${REJECTED}` : "promoted", command });
      });
    return { body: path === "/changes" ? batch(all, ids.filter(refuses).map(no)) : all[0] };
  });
}
