/** What an event says, in words. An unknown kind shows its details, so that nothing is hidden. */

export interface Event {
  id: number;
  at: string;
  kind: string;
  dag_id: string | null;
  bundle: string | null;
  actor: string;
  reason: string | null;
  [detail: string]: unknown;
}

export interface Sentence {
  what: string;
  more?: string;
  runId?: string;
}

const COMMON = new Set(["id", "at", "kind", "dag_id", "bundle", "actor", "reason"]);
const RELEASES = new Set(["adopt", "auto", "pin", "promote", "retire", "rollback", "unpin"]);

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function commit(event: Event): string | undefined {
  const version = textOf(event["bundle_version"]);
  return version === undefined ? undefined : `commit ${version.slice(0, 8)}`;
}

function released(event: Event): Sentence {
  const [build, from] = [numberOf(event["build"]), numberOf(event["from_build"])];
  const [release, fromRelease] = [numberOf(event["release"]), numberOf(event["from_release"])];
  const more = textOf(event["message"]);
  if (event.kind === "retire") return { what: "Taken off the schedule", more };
  if (release !== undefined && release === fromRelease) return { what: `Stays on build ${build}, release ${release}`, more };
  const came = from === undefined || from === build ? "" : `, in place of build ${from}`;
  return { what: `Build ${build ?? "?"} is release ${release ?? "?"}${came}`, more };
}

export function sentence(event: Event): Sentence {
  const build = numberOf(event["build"]);
  const runId = textOf(event["run_id"]);
  if (RELEASES.has(event.kind)) return released(event);
  switch (event.kind) {
    case "build":
      return { what: `Build ${build} was made`, more: commit(event) };
    case "broken":
      return { what: textOf(event["error"]) ?? "Its file can not be imported", more: commit(event) };
    case "trigger":
      return { what: `A run on build ${build}`, runId };
    case "clear":
      return { what: build === undefined ? "Runs again" : `Runs again on build ${build}`, runId };
    default: {
      const details = Object.entries(event).filter(([name, value]) => !COMMON.has(name) && value !== null && value !== "");
      return { what: details.map(([name, value]) => `${name.replaceAll("_", " ")}: ${plain(value)}`).join("; ") || event.kind };
    }
  }
}

function plain(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
