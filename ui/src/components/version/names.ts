import type { Version } from "src/api/versions";

const NAMED = 3;

/** "without task_1_2020": tasks that have no place at the dates of the runs on it. Empty: it has all of its build's. */
export function withoutWords(absent: string[] | null | undefined): string {
  if (absent === null || absent === undefined || absent.length === 0) return "";
  return absent.length > NAMED ? `without ${absent.length} tasks` : `without ${absent.join(", ")}`;
}

/** "Release 5", "Release 5 without task_1_2020", "t3 (trial of build 3)", "v2 (before Pinwheel)". */
export function nameOf(version: Version | undefined, key = "unknown"): string {
  if (version === undefined) return key;
  const without = withoutWords(version.absent);
  const more = without === "" ? "" : ` ${without}`;
  if (version.kind === "release") return `Release ${version.release}${more}`;
  // Of a trial and what runs of some dates have of it the key has the same number before a dot.
  if (version.kind === "trial") return `${version.key.replace(/\.\d+$/, "")} (trial of build ${version.build})${more}`;
  if (version.kind === "before") return `v${version.airflow_version} (before Pinwheel)`;
  return "Version unknown";
}

/** The name with what tells it apart: "Release 5 (build 3, 2.4.1, 0a1b2c3d)". */
export function fullNameOf(version: Version | undefined, key = "unknown"): string {
  const trial = version?.kind === "trial";
  const more = [
    trial ? [`trial of build ${version.build}`, withoutWords(version.absent)].filter(Boolean).join(" ") : undefined,
    version?.kind === "release" && version.build !== null ? `build ${version.build}` : undefined,
    version?.label ?? undefined,
    version?.bundle_version?.slice(0, 8),
  ].filter((part) => part !== undefined);
  const name = trial ? version.key.replace(/\.\d+$/, "") : nameOf(version, key);
  return more.length === 0 ? name : `${name} (${more.join(", ")})`;
}

/** Where it stands on the Releases tab: `r5`; a trial stands with its build, `b3`. */
export function anchorOf(version: Version | undefined): string | undefined {
  if (version?.kind === "release") return `r${version.release}`;
  return version?.kind === "trial" ? `b${version.build}` : undefined;
}

const BOUND: Record<string, string> = {
  active: "the active release when the run began",
  hand: "by hand",
  trial: "by hand, as a trial",
  era: "by the era of its date",
};

/** How a run came to its version. */
export function boundBy(how: string | null | undefined): string {
  if (how === null || how === undefined) return "before Pinwheel";
  return BOUND[how] ?? `by a rule (${how})`;
}
