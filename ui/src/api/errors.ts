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

/** A no: of a whole answer, or of one Dag in a plan. */
export type Refusing = Partial<Pick<Problem, "type" | "found" | "remedy" | "facts">>;

/** Whether a no says that a build is rejected, so that releasing it needs a reason. */
export function isRejection(refusing: Refusing): boolean {
  return typeof refusing.facts?.rejected_by === "string";
}

/** The same of a failed request. */
export function rejects(error: Error | null): error is ApiError {
  return error instanceof ApiError && isRejection(error.problem);
}

/** Whether a no says that an era holds the present, so that a rollback would change nothing. */
export function hasNoEffect(refusing: Refusing): boolean {
  return refusing.facts?.problem === "rollback-has-no-effect";
}

/** What a page says to do, and the page of this Airflow on which it is done. */
export interface Remedy {
  text: string;
  link?: { to: string; text: string };
}

const FLEET = "/plugin/releases";

/** Of conflicts that stay, however often somebody looks again; by the problem's name. */
const CONFLICTS: Record<string, string | undefined> = {
  "rule-closed": "Wait until it opens. Whoever may override can promote it past its rules, with a reason.",
  "closed-then": "Name an instant at which it is open.",
  "under-way": "Pause it first.",
  paused: "Resume its rollout first.",
  pinned: "Unpin it first.",
};

/**
 * What to do about each type of problem, in the page's own words: the server's are those of the command line too.
 * "theirs": what the server says, unless that is a command; undefined: the page has nothing better to offer.
 */
const REMEDIES = {
  "urn:pinwheel:invalid-input": () => "theirs",
  "urn:pinwheel:not-found": ({ facts }) => {
    const dagId = facts?.dag_id;
    return typeof dagId === "string"
      ? { text: "There may be something else to choose.", link: { to: pageOf(dagId), text: "See its builds and releases" } }
      : { text: "It may have been removed meanwhile.", link: { to: FLEET, text: "See all Dags" } };
  },
  "urn:pinwheel:conflict": ({ facts }) => ({ text: CONFLICTS[facts?.problem ?? ""] ?? "Look again, and decide by what you see then." }),
  "urn:pinwheel:refused": ({ facts }) => {
    if (typeof facts?.rejected_by === "string") return { text: "With a reason it is released all the same, and is no longer rejected." };
    if (typeof facts?.active_build === "number") return { text: "To go back to an older build, choose Roll back." };
    return "theirs";
  },
  "urn:pinwheel:host-error": () => ({ text: "Try again. If it stays so, the API server's log tells more." }),
  "urn:pinwheel:refused-version": () => ({ text: "The version in use stays. Correct what is named, and push again." }),
  "urn:pinwheel:unexpected": () => ({ text: "Report it, with what the API server's log says." }),
  "urn:pinwheel:unauthenticated": () => ({ text: "Reload this page." }),
} as const satisfies Record<string, (problem: Refusing) => Remedy | "theirs" | undefined>;

export const PROBLEM_TYPES = Object.keys(REMEDIES) as (keyof typeof REMEDIES)[];

/** What to do about a problem; nothing in it is to be typed into a terminal. */
export function remedyOf(problem: Refusing): Remedy | undefined {
  const known: Record<string, ((problem: Refusing) => Remedy | "theirs" | undefined) | undefined> = REMEDIES;
  const remedy = known[problem.type ?? ""]?.(problem) ?? (problem.type === undefined ? "theirs" : undefined);
  if (remedy !== "theirs") return remedy;
  const theirs = problem.remedy ?? "";
  return theirs === "" || isCommand(theirs) ? undefined : { text: theirs };
}

/** Whether a text tells to type something into a terminal. */
function isCommand(text: string): boolean {
  return /\b(pinwheel|airflow) [a-z]|(^|\W)--?[a-z]/.test(text);
}

function pageOf(dagId: string): string {
  return `/dags/${encodeURIComponent(dagId)}/plugin/dag-releases`;
}
