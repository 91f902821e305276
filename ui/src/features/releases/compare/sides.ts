/** What a comparison's selects offer, and how the address names a side. */
import type { Sides } from "src/api/compare";
import type { Comparison } from "src/features/releases/compare/words";
import type { LineBuild, LineRelease } from "src/features/releases/line";

export interface Option {
  value: string;
  text: string;
}

const SIDE = /^[rbt]?[0-9]{1,10}$/;

/** As the address has it; a run counts where no build is named. */
export function sidesIn(params: URLSearchParams): Sides {
  const one = (name: "from" | "to"): Sides => {
    const side = params.get(name);
    if (side !== null && SIDE.test(side)) return { [name]: side };
    const run = params.get(`${name}_run`);
    return run === null ? {} : { [`${name}_run`]: run };
  };
  return { ...one("from"), ...one("to") };
}

/** What the select shows as chosen: the release that was asked for, else the newest one of the build. */
export function valueOf(build: Comparison["from"], asked: string | undefined): string {
  const release = asked?.startsWith("r") ? Number(asked.slice(1)) : undefined;
  if (release !== undefined && build.releases.includes(release)) return `r${release}`;
  return build.releases.length > 0 ? `r${Math.max(...build.releases)}` : `b${build.build}`;
}

/** Every release, and every build that was never released, newest first: "Release 4 · build 2 · 2.2.0". */
export function optionsOf(releases: LineRelease[], builds: LineBuild[], ...shown: Comparison["from"][]): Option[] {
  const found = new Map<string, Option & { at: string }>();
  const add = (value: string, at: string | null, ...parts: (string | null | undefined)[]) =>
    found.has(value) || found.set(value, { value, at: at ?? "", text: parts.filter(Boolean).join(" · ") });
  for (const one of releases) {
    if (one.build === null || one.kind === "retire") continue;
    add(`r${one.release}`, one.created_at, `Release ${one.release}`, `build ${one.build}`, one.label, one.active ? "active" : "");
  }
  for (const one of builds) {
    if (one.build !== null && one.releases.length === 0) add(`b${one.build}`, one.created_at, `Build ${one.build}`, one.label, "never released");
  }
  for (const one of shown) {
    for (const release of one.releases) add(`r${release}`, one.created_at, `Release ${release}`, `build ${one.build}`, one.label);
    if (one.releases.length === 0) add(`b${one.build}`, one.created_at, `Build ${one.build}`, one.label, "never released");
  }
  return [...found.values()].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).map(({ value, text }) => ({ value, text }));
}
