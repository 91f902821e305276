/** A timeline, and a made-up server that has it, for tests. */
import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter } from "react-router-dom";
import { vi } from "vitest";

import type { ClearedByDate, DatedRun, Stretch, Timeline, TimelineChange, TimelineCheck } from "src/api/timeline";
import type { Schemas } from "src/api/schemas";

export const MAY: Schemas["May"] = { edit: true, create_runs: true, edit_runs: true, read_code: true, read_runs: true, override: true };
export const MAY_LOOK: Schemas["May"] = { ...MAY, edit: false, create_runs: false, edit_runs: false };

export const counts = (runs: number, more: Partial<NonNullable<Stretch["counts"]>> = {}): NonNullable<Stretch["counts"]> => ({
  runs,
  match: runs,
  by_hand: 0,
  waiting: 0,
  others: [],
  ...more,
});

const moment = (date: string | null) => (date === null ? null : `${date}T00:00:00+00:00`);

export const stretch = (from: string | null, until: string | null, build: number | null, more: Partial<Stretch> = {}): Stretch => ({
  gap: false,
  from,
  until,
  starts_at: moment(from),
  ends_at: moment(until),
  build,
  bundle_version: build === null ? null : `${build}`.repeat(40),
  since_revision: 3,
  actor: "ana",
  reason: `for build ${build}`,
  counts: counts(0),
  ...more,
});

export const gap = (from: string | null, until: string | null, build: number | null, more: Partial<Stretch> = {}): Stretch =>
  stretch(from, until, build, { gap: true, bundle_version: null, since_revision: null, actor: null, reason: null, ...more });

/** Build 3 before 2020, build 7 until 2024, then the active release. */
export const TIMELINE: Timeline = {
  dag_id: "blog",
  zone: "Europe/Warsaw",
  dated_by: "data_interval",
  dated: true,
  revision: 3,
  at: "2026-03-02T10:00:00+00:00",
  actor: "ana",
  reason: "as it was",
  stretches: [
    stretch(null, "2020-01-01", 3, { counts: counts(12) }),
    stretch("2020-01-01", "2024-01-01", 7, { counts: counts(48, { match: 46, others: [{ build: 9, runs: 2 }] }) }),
    gap("2024-01-01", null, 9, { counts: counts(26) }),
  ],
  variants: [],
  asked: null,
};

export const NONE: Timeline = { ...TIMELINE, dated: false, revision: 0, at: null, actor: null, reason: null, stretches: [gap(null, null, 9)] };

export const dated = (runId: string, date: string, more: Partial<DatedRun> = {}): DatedRun => ({
  run_id: runId,
  state: "success",
  date: `${date}T00:00:00+00:00`,
  date_by: "data_interval",
  fit: "differs",
  build: 9,
  wanted: 7,
  ...more,
});

export const DIFFER = [dated("scheduled__2021-05-01", "2021-05-01"), dated("scheduled__2021-06-01", "2021-06-01")];
export const BY_HAND = [dated("mine", "2022-01-01", { fit: "by_hand", build: 3 })];
export const CHECK: TimelineCheck = { dag_id: "blog", revision: 3, runs: 87, match: 84, waiting: 0, differ: DIFFER, by_hand: BY_HAND, sensors: [] };

export const change = (more: Partial<TimelineChange> = {}): TimelineChange => ({
  dag_id: "blog",
  changed: true,
  message: "2019-01-01 → 2020-01-01: build 3 → build 2",
  revision: 4,
  from_revision: 3,
  changes: [
    {
      from: "2019-01-01",
      until: "2020-01-01",
      starts_at: moment("2019-01-01"),
      ends_at: moment("2020-01-01"),
      from_build: 3,
      to_build: 2,
      bundle_version: "2".repeat(40),
    },
  ],
  runs: 12,
  differ: 12,
  queued: 1,
  warnings: [],
  ...more,
});

export const cleared = (more: Partial<ClearedByDate> = {}): ClearedByDate => ({ dag_id: "blog", runs: DIFFER, instances: 6, running: [], left: [], warnings: [], ...more });

const REVISIONS = {
  revisions: [
    { revision: 2, verb: "unset", at: "2026-03-01T10:00:00+00:00", actor: "ben", reason: null, eras: [] },
    {
      revision: 1,
      verb: "set",
      at: "2026-02-01T10:00:00+00:00",
      actor: "ben",
      reason: "first attempt",
      eras: [
        {
          from: null,
          until: "2020-01-01",
          starts_at: null,
          ends_at: moment("2020-01-01"),
          zone: "Europe/Warsaw",
          build: 2,
          bundle_version: "2".repeat(40),
          since_revision: 1,
        },
      ],
    },
  ],
};

const BUILDS = {
  builds: [9, 7, 3, 2].map((build) => ({
    build,
    label: null,
    bundle_version: `${build}`.repeat(40),
    message: build === 3 ? "on premise\n\nAll of it." : `push ${build}`,
    rejected: build === 2 ? { actor: "grace", at: "2026-01-01T00:00:00+00:00", reason: "wrong" } : null,
  })),
};

export interface Sent {
  path: string;
  body: Record<string, unknown>;
  key: string | null;
}

interface Known {
  timeline?: Timeline;
  check?: TimelineCheck;
  may?: Schemas["May"];
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

/** Answers what is looked at by its path, and each change by *reply*; what was sent to change something. */
export function server({ timeline = TIMELINE, check = CHECK, may = MAY }: Known = {}, reply: (sent: Sent) => { status?: number; body: unknown } = () => ({ body: change() })) {
  const all: Sent[] = [];
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const path = new URL(request.url).pathname.replace(/^.*\/dags\/blog/, "");
    if (request.method === "GET") {
      asked.push(path);
      const told: Record<string, unknown> = { "/timeline": timeline, "/timeline/check": check, "/timeline/history": REVISIONS, "/builds": BUILDS, "/line": { may } };
      return json(told[path] ?? {});
    }
    const sent = { path, body: (await request.json()) as Record<string, unknown>, key: request.headers.get("Idempotency-Key") };
    all.push(sent);
    const { status, body } = reply(sent);
    return json(body, status);
  });
  return { sent: all, asked };
}

export const refusal = (problem: string, more = {}) => ({
  type: "urn:pinwheel:refused",
  title: "Refused",
  status: 403,
  detail: "",
  failed: "Cannot set 2019-01-01 → 2020-01-01 on build 2",
  found: "its file can not be imported here: No module named 'pandas'",
  remedy: "Give it what it needs, or set it all the same (--force)",
  facts: { dag_id: "blog", build: 2, problem, ...more },
});

export function show(what: ReactNode) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={client}>
      <ChakraProvider value={defaultSystem}>
        <MemoryRouter>{what}</MemoryRouter>
      </ChakraProvider>
    </QueryClientProvider>,
  );
}
