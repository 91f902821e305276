/** A rollback that happened by itself, told before all else: when, why, and what to do now. */
import { Alert, Link, List } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";

import type { Schemas } from "src/api/schemas";
import { dagPath } from "src/components/dag";
import { byItself } from "src/components/released";
import { Time } from "src/components/time";

type Release = Pick<Schemas["LineRelease"], "release" | "build" | "kind" | "actor" | "reason" | "created_at">;

/** Whoever is on call has this long to see it first. */
const LATELY_MS = 24 * 3_600_000;

/** Whether this release is a rollback that nobody asked for. */
export function wasByItself({ kind, actor }: Pick<Release, "kind" | "actor">): boolean {
  return kind === "rollback" && actor !== null && byItself(actor);
}

/** Whether that was in the last hours. */
export function lately(release: Release | undefined, now = Date.now()): release is Release {
  return release !== undefined && wasByItself(release) && release.created_at !== null && now - new Date(release.created_at).getTime() < LATELY_MS;
}

/** *before* is the build that it left; null: it is not known, or the build is the same. */
export function RolledBack({ dagId, release, before }: { dagId: string; release: Release; before: number | null }) {
  const other = before !== null && before !== release.build ? before : null;
  return (
    <Alert.Root status="warning" variant="outline" size="sm" role="region" aria-label="Rolled back by itself" data-testid="rolled-back">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title overflowWrap="anywhere">
          Rolled back by itself <Time at={release.created_at} />, because {release.reason ?? "its watch said so"}.
        </Alert.Title>
        <Alert.Description>
          <List.Root ps={4}>
            <List.Item>
              New runs take build {release.build}, and the Dag is pinned. Runs that began before go on with what they began with.
              {other === null ? "" : " "}
              {other === null ? undefined : (
                <Link asChild color="fg.info">
                  <RouterLink to={`${dagPath(dagId, "dag-releases")}?view=compare&from=b${release.build}&to=b${other}`}>Compare with build {other}</RouterLink>
                </Link>
              )}
            </List.Item>
            <List.Item>What failed: look whether it runs again already, else clear it in Dag History.</List.Item>
            <List.Item>It is the code: push a fix, then unpin the Dag. It is not: promote the rejected build, with a reason.</List.Item>
          </List.Root>
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}
