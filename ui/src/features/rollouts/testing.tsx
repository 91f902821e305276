/** Rollouts and a made-up server, for tests. */
import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { vi } from "vitest";

import type { Rollout, RolloutActed, RolloutVerb } from "src/api/rollouts";

export const ALL = { edit: true, approve: true, override: true };
export const at = (minute: number) => `2026-03-01T12:${minute}:00+00:00`;

const act = (verb: Rollout["acts"][number]["verb"], problem: string | null = null) => ({ verb, problem, words: problem ?? "done" });

/** One at an approval, unless told: everything may be done that this state takes. */
export function rollout(id: number, more: Partial<Rollout> = {}): Rollout {
  return {
    id,
    dag_id: `dag_${id}`,
    bundle: "dags",
    build: 2,
    bundle_version: "2".repeat(40),
    policy: "critical",
    revision: 1,
    state: "waiting",
    slot: "ahead",
    generation: 3,
    steps: [
      { kind: "check", name: "ci", words: "check ci passes", where: "passed" },
      { kind: "approve", name: null, words: "2 persons approve", where: "here" },
      { kind: "release", name: null, words: "new runs take it", where: "ahead" },
    ],
    attempt: 1,
    holds: [{ kind: "gate", reason: "2 approvals", since: at(10), until: at(50), by: null }],
    waits_for: { kind: "person", words: "2 approvals", until: at(50) },
    watch: null,
    cause: null,
    why: null,
    paused_by: null,
    asked_by: null,
    asked_at: null,
    not_before: null,
    authors: ["Ada <ada@shop.example>"],
    approvals: { needed: 2, missing: 1, given: ["grace"], why_more: "nobody knows who is Ada <ada@shop.example>: one more approval" },
    verdicts: [],
    acts: [
      act("approve"),
      act("reject"),
      act("pause"),
      act("resume", "not-paused"),
      act("retry", "under-way"),
      act("skip"),
      act("restart"),
      act("abort"),
      act("promote"),
      act("promote --now"),
    ],
    may: ALL,
    began_at: at(10),
    since: at(10),
    released_at: null,
    ended_at: null,
    ...more,
  };
}

export const acted = (of: Rollout, more: Partial<RolloutActed> = {}): RolloutActed => ({
  dag_id: of.dag_id,
  plan: true,
  changed: true,
  message: "the approval is counted",
  rollout: of,
  command: `pinwheel rollout approve ${of.dag_id}`,
  ...more,
});

export interface Sent {
  verb: RolloutVerb;
  body: { reason: string | null; plan: boolean };
  match: string | null;
  key: string | null;
}

/** Has these rollouts, and answers each act by what was sent; what was sent, and which lists were asked for. */
export function server(rollouts: () => Rollout[], reply: (sent: Sent) => { status?: number; body: unknown } = () => ({ body: {} })) {
  const sent: Sent[] = [];
  const asked: URLSearchParams[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const url = new URL(request.url);
    const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
    const [, id, verb] = /\/rollouts\/(\d+)(?:\/(\w+))?$/.exec(url.pathname) ?? [];
    if (verb !== undefined) {
      const { headers } = request;
      const one = { verb: verb as RolloutVerb, body: (await request.json()) as Sent["body"], match: headers.get("If-Match"), key: headers.get("Idempotency-Key") };
      sent.push(one);
      const { status, body } = reply(one);
      return json(body, status);
    }
    if (id !== undefined) return json(rollouts().find((one) => one.id === Number(id)));
    if (!url.pathname.endsWith("/rollouts")) return json({ dag_id: "etl", holds: [] });
    asked.push(url.searchParams);
    const waiting = url.searchParams.get("waiting_for");
    const ended = !url.searchParams.getAll("state").includes("live");
    const found = rollouts().filter((one) => (one.slot === null) === ended && (waiting === null || one.waits_for.kind === waiting));
    return json({ rollouts: found, next_before_id: null });
  });
  return { sent, asked };
}

export function show(what: React.ReactNode) {
  return render(
    <ChakraProvider value={defaultSystem}>
      <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
        <MemoryRouter>{what}</MemoryRouter>
      </QueryClientProvider>
    </ChakraProvider>,
  );
}
