/** What may come in place of an answer. */
import type { Schemas } from "src/api/schemas";

export type Problem = Schemas["Problem"];

/** An answer of 400 and above, in the server's words: what failed, what was found, what to do. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
  ) {
    super(problem.detail ?? problem.title ?? `The server answered ${status}`);
    this.name = "ApiError";
  }
}

/** No answer at all: the network or the API server is down. */
export class OfflineError extends Error {
  constructor() {
    super("Airflow's API server does not answer");
    this.name = "OfflineError";
  }
}

/** Whether an answer says that a build is rejected, so that releasing it needs a reason. */
export function rejects(error: Error | null): error is ApiError {
  return error instanceof ApiError && typeof error.problem.facts?.rejected_by === "string";
}
