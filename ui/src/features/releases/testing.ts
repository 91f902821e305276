/** Made-up pieces of a line, for tests. */
import type { LineBuild, LineRelease, LineRun } from "src/features/releases/line";

export const at = (minute: number) => `2026-11-21T12:${String(minute).padStart(2, "0")}:00.000000+00:00`;
export const ms = (minute: number) => new Date(at(minute)).getTime();

export const build = (number: number | null, minute: number, more: Partial<LineBuild> = {}): LineBuild =>
  ({
    dag_id: "d",
    build: number,
    digest: `${number}`,
    bundle_version: `version ${minute}`,
    created_at: at(minute),
    author: "Ada <ada@shop.example>",
    message: `push ${minute}`,
    label: null,
    status: number === null ? "broken" : "good",
    releases: [],
    error: null,
    runs: {},
    rejected: null,
    ...more,
  }) as LineBuild;

export const release = (number: number, of: number, minute: number, more: Partial<LineRelease> = {}): LineRelease =>
  ({
    dag_id: "d",
    release: number,
    build: of,
    kind: "auto",
    actor: "pinwheel",
    reason: null,
    created_at: at(minute),
    active: false,
    bundle_version: `version ${minute}`,
    label: null,
    message: null,
    author: null,
    until: null,
    runs: {},
    run_again_on: {},
    ...more,
  }) as LineRelease;

export const run = (id: string, minute: number, state: string): LineRun =>
  ({ run_id: id, at: at(minute), state, run_type: "manual", release: 1, build: 1, bound_by: null, earlier: false }) as LineRun;
