import type { Version } from "src/api/versions";

/** What runs of some dates lack: " without load, send and 3 more"; nothing, where they have all tasks. */
function without(version: Version): string {
  const absent = version.absent ?? [];
  const more = absent.length > 3 ? ` and ${absent.length - 2} more` : "";
  const named = more ? absent.slice(0, 2) : absent;
  return absent.length === 0 ? "" : ` without ${named.join(", ")}${more}`;
}

/** "Release 5", "Release 5 without load", "t3 (trial of build 3)", "v2 (before Pinwheel)". */
export function nameOf(version: Version | undefined, key = "unknown"): string {
  if (version === undefined) return key;
  if (version.kind === "release") return `Release ${version.release}${without(version)}`;
  if (version.kind === "trial") return `${version.key} (trial of build ${version.build})${without(version)}`;
  if (version.kind === "before") return `v${version.airflow_version} (before Pinwheel)`;
  return "Version unknown";
}

/** The name with what tells it apart: "Release 5 (build 3, 2.4.1, 0a1b2c3d)". */
export function fullNameOf(version: Version | undefined, key = "unknown"): string {
  const trial = version?.kind === "trial";
  const more = [
    trial ? `trial of build ${version.build}` : undefined,
    version?.kind === "release" && version.build !== null ? `build ${version.build}` : undefined,
    version?.label ?? undefined,
    version?.bundle_version?.slice(0, 8),
  ].filter((part) => part !== undefined);
  const name = trial ? version.key : nameOf(version, key);
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
};

/** How a run came to its version. */
export function boundBy(how: string | null | undefined): string {
  if (how === null || how === undefined) return "before Pinwheel";
  return BOUND[how] ?? `by a rule (${how})`;
}
