import type { Version } from "src/api/versions";

/** "Release 5", "Build 3 (trial)", "v2 (before Pinwheel)". */
export function nameOf(version: Version | undefined, key = "unknown"): string {
  if (version === undefined) return key;
  if (version.kind === "release") return `Release ${version.release}`;
  if (version.kind === "trial") return `Build ${version.build} (trial)`;
  if (version.kind === "before") return `v${version.airflow_version} (before Pinwheel)`;
  return "Version unknown";
}

/** The name with what tells it apart: "Release 5 (build 3, 2.4.1, 0a1b2c3d)". */
export function fullNameOf(version: Version | undefined, key = "unknown"): string {
  const more = [
    version?.kind === "release" && version.build !== null ? `build ${version.build}` : undefined,
    version?.label ?? undefined,
    version?.bundle_version?.slice(0, 8),
  ].filter((part) => part !== undefined);
  const name = nameOf(version, key);
  return more.length === 0 ? name : `${name} (${more.join(", ")})`;
}

const BOUND: Record<string, string> = {
  active: "the active release when the run began",
  hand: "by hand",
  trial: "by hand, as a trial",
};

/** How a run came to its version. */
export function boundBy(how: string | null | undefined): string {
  if (how === null || how === undefined) return "before Pinwheel";
  return BOUND[how] ?? `by a rule (${how})`;
}
