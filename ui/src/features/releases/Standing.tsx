/** Where the Dag stands, in one look: what runs, what waits and why, what is broken; and what to do about it. */
import { Badge, Box, Button, HStack, Link, Spacer, Stack, Text } from "@chakra-ui/react";
import { Link as RouterLink } from "react-router-dom";

import type { Schemas } from "src/api/schemas";
import { behindWords } from "src/components/behind";
import { BrokenButton } from "src/components/BrokenButton";
import { eraOver, waitsForRelease } from "src/components/held";
import { Holds } from "src/components/Holds";
import { PinIcon } from "src/components/icons";
import { BuildLabel, Commit, ReleaseLabel } from "src/components/labels";
import { ByWhom, HowRejected, RejectedBadge, rejectionIn } from "src/components/Rejected";
import { commitWords, ownReason, ReleasedBy } from "src/components/released";
import { RunCounts } from "src/components/RunCounts";
import { Time } from "src/components/time";
import { shortVersion } from "src/components/version/short";
import { behind } from "src/features/releases/line";
import type { Action, LineBuild, LineRelease } from "src/features/releases/line";

interface Props {
  dag: Schemas["DagStatus"];
  builds: LineBuild[];
  releases: LineRelease[];
  /** Where a rollback goes; null: nowhere. */
  wayBack: Schemas["WayBack"] | null;
  may: Schemas["May"];
  onAct: (action: Action) => void;
}

function whatWaits(dag: Schemas["DagStatus"]): string {
  return `Build ${dag.newest_build} waits${dag.newest_build === dag.active_build ? " in a newer version" : ""}`;
}

function back(wayBack: Schemas["WayBack"]): string {
  return wayBack.bundle_version === null ? `Roll back to build ${wayBack.build}` : `Roll back to version ${shortVersion(wayBack.bundle_version)}`;
}

export function Standing({ dag, builds, releases, wayBack, may, onAct }: Props) {
  const release = releases.find(({ active }) => active);
  const pinned = dag.track === "pinned";
  const waiting = behind(builds, dag.active_build);
  const rejection = rejectionIn(dag.holds);
  const era = eraOver(dag);
  const waits = waitsForRelease(dag);
  const failing = !dag.retired && (release?.runs["failed"] ?? 0) > 0 && wayBack !== null;
  // One button is filled at most: the way out while runs fail, else what waits; never what leads to a rejected build.
  const asksFor = !failing && rejection === undefined && dag.newest_build !== dag.active_build;
  const running = builds.find(({ build }) => build !== null && build === dag.active_build)?.rejected ?? undefined;
  const { reason, actor, since } = dag;
  const reasonOf = ownReason(release?.reason, release?.message);
  const said = commitWords(release?.author ?? null, release?.message ?? null);
  return (
    <HStack align="flex-start" gap={4} wrap="wrap" borderWidth="1px" borderRadius="md" p={3} role="region" aria-label="Where the Dag stands">
      <Stack gap={1}>
        <HStack gap={2} wrap="wrap">
          <Text fontWeight="bold">
            <ReleaseLabel release={dag.active_release} active={!dag.retired} />
          </Text>
          <BuildLabel build={dag.active_build} label={dag.label} />
          {release === undefined ? undefined : <Commit version={release.bundle_version} url={release.url} />}
          {dag.retired ? <Badge colorPalette="gray">retired</Badge> : undefined}
        </HStack>
        {release === undefined ? undefined : (
          <Text fontSize="sm" color="fg.muted">
            <ReleasedBy kind={release.kind} actor={release.actor} at={release.created_at} />
            {reasonOf === null ? "" : `: ${reasonOf}`}
            {said === "" ? "" : ` · ${said}`}
          </Text>
        )}
        {release === undefined || dag.retired || dag.bundle_version === null || dag.bundle_version === release.bundle_version ? undefined : (
          <Text fontSize="sm" color="fg.muted">
            new runs take <Commit version={dag.bundle_version} url={null} />
          </Text>
        )}
        {release === undefined ? undefined : <RunCounts runs={release.runs} again={release.run_again_on} none="no run on it yet" />}
      </Stack>
      <Stack gap={1}>
        {pinned ? (
          <HStack gap={1}>
            <PinIcon color="fg.warning" />
            <Text>
              Pinned by {actor ?? "unknown"} <Time at={since} />
              {reason ? `: ${reason}` : ""}
            </Text>
          </HStack>
        ) : undefined}
        {rejection !== undefined ? (
          <HStack gap={2} alignItems="baseline" wrap="wrap">
            <RejectedBadge />
            <Text>
              {dag.newest_build === dag.active_build ? "A newer version of build" : "Build"} {dag.newest_build}{" "}
              <HowRejected rejection={rejection} releases={releases} />
            </Text>
          </HStack>
        ) : waits ? (
          <Text>
            {whatWaits(dag)}
            {waiting > 1 ? `, ${waiting} builds behind` : ""}
          </Text>
        ) : dag.active_build === null || dag.active_build !== dag.newest_build ? undefined : (
          <Text color="fg.muted">The newest build is active.</Text>
        )}
        {dag.behind === null ? undefined : (
          <Text fontSize="sm" color="fg.muted">
            New runs are {behindWords(dag.behind)}.
          </Text>
        )}
        <Holds holds={dag.holds} />
        {rejection === undefined ? undefined : (
          <Text fontSize="sm" color="fg.muted">
            {pinned ? "Once unpinned, the" : "The"} next build that is not rejected is released by itself.
          </Text>
        )}
        {running === undefined ? undefined : (
          <Text>
            The active build is rejected <ByWhom rejection={running} />. It stays active until another one is released.
          </Text>
        )}
        {era === undefined ? undefined : (
          <Text>
            An era of its{" "}
            <Link asChild color="fg.info">
              <RouterLink to={{ search: "view=timeline" }}>timeline</RouterLink>
            </Link>{" "}
            holds now, on another build than the newest. Set <ByWhom rejection={{ actor: era.by ?? "unknown", at: era.since ?? "", reason: era.reason }} />
          </Text>
        )}
        {dag.broken === null ? undefined : (
          <Box>
            <BrokenButton dagId={dag.dag_id} broken={dag.broken} />
          </Box>
        )}
      </Stack>
      <Spacer />
      <HStack gap={2} wrap="wrap" _empty={{ display: "none" }}>
        {may.edit && waits && dag.newest_build !== null ? (
          <Button
            size="sm"
            variant={asksFor ? "solid" : "outline"}
            colorPalette={asksFor ? "brand" : undefined}
            onClick={() => onAct({ verb: "promote" })}
          >
            Promote {rejection === undefined ? "" : "rejected "}build {dag.newest_build}
            {dag.newest_build === dag.active_build ? " to its newest version" : ""}
          </Button>
        ) : undefined}
        {may.edit && wayBack !== null ? (
          <Button
            size="sm"
            variant={failing ? "solid" : "outline"}
            colorPalette="danger"
            title="Keyboard: r"
            aria-keyshortcuts="r"
            onClick={() => onAct({ verb: "rollback" })}
          >
            {failing ? back(wayBack) : "Roll back"}
          </Button>
        ) : undefined}
        {may.edit && dag.active_build !== null ? (
          pinned ? (
            <Button size="sm" variant="outline" onClick={() => onAct({ verb: "unpin" })}>
              Unpin
            </Button>
          ) : (
            <Button size="sm" variant="outline" onClick={() => onAct({ verb: "pin" })}>
              Pin
            </Button>
          )
        ) : undefined}
        {may.create_runs && dag.newest_build !== null ? (
          <Button size="sm" variant="outline" onClick={() => onAct({ verb: "try", build: dag.newest_build ?? 1 })}>
            {dag.newest_build === dag.active_build ? "Run once" : `Try build ${dag.newest_build} once`}
          </Button>
        ) : undefined}
      </HStack>
    </HStack>
  );
}
