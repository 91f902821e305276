/** Where a rollback can go: places, which are builds at a bundle version, out of the line of the Dag. */
import { releasesOf } from "src/api/line";
import type { Schemas } from "src/api/schemas";
import { shortVersion } from "src/components/version/short";

type Line = Schemas["Line"];
export type PlaceBuild = Schemas["LineBuild"];
export type PlaceRelease = Schemas["LineRelease"];

export interface Target {
  build: number;
  /** Without: the newest version in which it stands. */
  bundleVersion?: string;
}

export interface Place extends Target {
  key: string;
  words: string;
}

/** What the pages of a line know of builds and releases, newest first. */
export function knownIn(pages: Line[]): { builds: PlaceBuild[]; releases: PlaceRelease[] } {
  return { builds: pages.flatMap((page) => page.builds), releases: releasesOf(pages) };
}

export function keyOf({ build, bundleVersion }: Target): string {
  return bundleVersion === undefined ? String(build) : `${build} ${bundleVersion}`;
}

/**
 * Earlier places that were released and can be fetched, newest first: each other build once, and the active one in the
 * versions that it was released in before. *now* is the version that new runs take.
 */
export function placesOf(pages: Line[], active: number | null, now: string | null): Place[] {
  const { builds, releases } = knownIn(pages);
  const found = new Map<string, Place>();
  for (const release of releases) {
    const { build } = release;
    if (build === null || release.kind === "retire" || !release.fetchable || release.newer) continue;
    const same = build === active;
    if (same && (release.bundle_version === null || release.bundle_version === now)) continue;
    const target = same && release.bundle_version !== null ? { build, bundleVersion: release.bundle_version } : { build };
    const key = keyOf(target);
    if (found.has(key)) continue;
    const rejected = builds.some((one) => one.build === build && one.rejected !== null) && !same;
    const words = [
      `Build ${build}`,
      release.label,
      `release ${release.release}`,
      shortVersion(release.bundle_version),
      rejected ? "rejected" : null,
    ];
    found.set(key, { key, ...target, words: words.filter((word) => word !== null && word !== "").join(" · ") });
  }
  return [...found.values()];
}
