/** How the Dag stands, in one line, for pages that are not about its releases; read only. */
import { Badge, HStack, Spacer, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";

import { statusQuery } from "src/api/dags";
import { activeIn, lineHeadQuery } from "src/api/line";
import { BrokenButton } from "src/components/BrokenButton";
import { dagPath } from "src/components/dag";
import { eraOver, otherHolds, waitsForRelease } from "src/components/held";
import { HoldBadges } from "src/components/Holds";
import { PinIcon } from "src/components/icons";
import { BuildLabel, Commit, PageLink, ReleaseLabel, State } from "src/components/labels";
import { rejectionIn } from "src/components/Rejected";
import { ReleasedBy } from "src/components/released";
import { lately, RolledBack } from "src/components/RolledBack";
import { Time } from "src/components/time";
import { WatchBadge } from "src/components/WatchBadge";

const TABS = { "dag-releases": "Releases", "dag-history": "Dag History" } as const;

/** Nothing while there is nothing to say: the page it stands on is about something else. */
export default function Strip({ dagId, tabs = ["dag-releases", "dag-history"] }: { dagId: string; tabs?: (keyof typeof TABS)[] }) {
  const { data: dag } = useQuery({ ...statusQuery(dagId), refetchInterval: 30_000 });
  const { data: line } = useQuery(lineHeadQuery(dagId));
  if (dag === undefined || dag.active_release === null) return null;
  const release = activeIn(line);
  const failed = release?.runs.failed ?? 0;
  const rejection = rejectionIn(dag.holds);
  return (
    <>
      {lately(release) ? <RolledBack dagId={dagId} release={release} before={null} /> : undefined}
      <HStack gap={3} wrap="wrap" borderWidth="1px" borderRadius="md" px={3} py={2} role="region" aria-label="How the Dag stands" data-testid="dag-strip">
        <HStack gap={2} wrap="wrap">
          <ReleaseLabel release={dag.active_release} active={!dag.retired} />
          <BuildLabel build={dag.active_build} label={dag.label} />
          {release === undefined ? undefined : <Commit version={release.bundle_version} url={release.url} />}
        </HStack>
        <Text fontSize="sm" color="fg.muted">
          {release === undefined ? <Time at={dag.released_at} /> : <ReleasedBy kind={release.kind} actor={release.actor} at={release.created_at} />}
        </Text>
        <WatchBadge watch={dag.watch} />
        {failed === 0 ? undefined : (
          <PageLink to={`/dags/${encodeURIComponent(dagId)}/runs?state=failed`}>
            <State state="failed">{failed} failed since release</State>
          </PageLink>
        )}
        {dag.track === "pinned" ? (
          <HStack gap={1}>
            <PinIcon color="fg.warning" />
            <Text fontSize="sm" lineClamp={1} title={dag.reason ?? undefined}>
              Pinned by {dag.actor ?? "unknown"} <Time at={dag.since} />
            </Text>
          </HStack>
        ) : undefined}
        {waitsForRelease(dag) ? (
          <Badge colorPalette="orange">
            {dag.newest_build === dag.active_build ? "a newer version of " : ""}build {dag.newest_build} {rejection === undefined ? "waits" : "is rejected"}
          </Badge>
        ) : undefined}
        {eraOver(dag) === undefined ? undefined : <Badge colorPalette="orange">an era holds now, on another build</Badge>}
        <HoldBadges holds={otherHolds(dag)} />
        {dag.broken === null ? undefined : <BrokenButton dagId={dagId} broken={dag.broken} />}
        <Spacer />
        <HStack as="nav" aria-label="Pinwheel's pages of this Dag" gap={3}>
          {tabs.map((tab) => (
            <PageLink key={tab} to={dagPath(dagId, tab)}>
              {TABS[tab]}
            </PageLink>
          ))}
        </HStack>
      </HStack>
    </>
  );
}
