/** Two cards: the place that new runs take now and the one that they take then, each with what speaks for and against it. */
import { Badge, Box, Link, SimpleGrid, Skeleton, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { Link as RouterLink } from "react-router-dom";

import type { Outcome } from "src/api/changes";
import { compareQuery } from "src/api/compare";
import type { Schemas } from "src/api/schemas";
import { author } from "src/components/author";
import { BuildLabel, Commit } from "src/components/labels";
import { RunCounts } from "src/components/RunCounts";
import { Time } from "src/components/time";
import { knownIn } from "src/features/change/places";
import type { PlaceBuild, PlaceRelease } from "src/features/change/places";
import { counted } from "src/features/change/words";

interface Props {
  outcome: Outcome;
  pages: Schemas["Line"][];
  /** The version that new runs take before the change. */
  now: string | null;
  /** It was made: what was, and what is now. */
  done?: boolean;
}

export function NowAndThen({ outcome, pages, now, done = false }: Props) {
  const { builds, releases } = knownIn(pages);
  const { from_build: from, from_release: fromRelease, build, release, track } = outcome;
  const made = (number: number | null) => builds.find((one) => one.build === number);
  const left = releases.find((one) => one.release === fromRelease);
  const target = made(build);
  const mayRead = pages[0]?.may.read_runs ?? false;
  return (
    <Stack gap={2}>
      <SimpleGrid columns={{ base: 1, md: 2 }} gap={3}>
        <Card
          title={done ? "Was" : "Now"}
          build={from}
          made={made(from)}
          released={left}
          version={from === build ? now : (now ?? left?.bundle_version)}
          where={fromRelease === null ? "not released" : `Release ${fromRelease}`}
          runs={mayRead ? left?.runs : undefined}
          again={left?.run_again_on}
        />
        <Card
          title={done ? "Is now" : "Then"}
          build={build}
          made={target}
          released={releases.find((one) => one.build === build && one.bundle_version === outcome.version)}
          version={outcome.version ?? target?.bundle_version}
          where={release === null || release === fromRelease ? "a new release" : `Release ${release}`}
          // Of the same build the counts are those of Now.
          runs={mayRead && from !== build ? target?.runs : undefined}
          pinned={track === "pinned"}
        />
      </SimpleGrid>
      {from === null || build === null ? undefined : <Differs dagId={outcome.dag_id} from={from} to={build} />}
    </Stack>
  );
}

interface CardProps {
  title: string;
  build: number | null;
  made: PlaceBuild | undefined;
  /** The release of this place, whose commit it is. */
  released: PlaceRelease | undefined;
  version: string | null | undefined;
  where: string;
  /** Undefined: not known, or not to be seen. */
  runs: Record<string, number> | undefined;
  again?: Record<string, number>;
  pinned?: boolean;
}

function Card({ title, build, made, released, version, where, runs, again, pinned = false }: CardProps) {
  // The commit's author and message are known where the build or the release was made of it.
  const commit = [made, released].find((one) => one?.bundle_version === version) ?? made ?? released;
  const same = commit !== undefined && commit.bundle_version === version;
  return (
    <Box borderWidth="1px" borderRadius="md" p={3} role="group" aria-label={title} minWidth={0}>
      <Text fontSize="xs" color="fg.muted">
        {title}
      </Text>
      <Box fontWeight="bold">
        <BuildLabel build={build} label={made?.label} /> <Commit version={version} url={same ? commit.url : null} />
      </Box>
      <Text fontSize="sm" color="fg.muted">
        {where}{" "}
        {pinned ? (
          <Badge colorPalette="orange" variant="subtle">
            pinned
          </Badge>
        ) : undefined}
      </Text>
      {commit === undefined ? undefined : (
        <>
          <Text fontSize="sm" lineClamp={2} overflowWrap="anywhere" title={commit.message ?? undefined}>
            {(commit.message ?? "").split("\n", 1)[0]}
          </Text>
          <Text fontSize="sm" color="fg.muted">
            {author(commit.author ?? null)}, <Time at={commit.created_at} />
          </Text>
        </>
      )}
      {made?.rejected == null ? undefined : (
        <Text fontSize="sm" color="fg.error">
          rejected by {made.rejected.actor}
        </Text>
      )}
      {runs === undefined ? undefined : (
        <Box mt={1}>
          <RunCounts runs={runs} again={again} none="no run on it yet" />
        </Box>
      )}
    </Box>
  );
}

/** What differs between two builds, in numbers, and where it is shown. */
function Differs({ dagId, from, to }: { dagId: string; from: number; to: number }) {
  const compared = useQuery({ ...compareQuery(dagId, { from: `b${from}`, to: `b${to}` }), enabled: from !== to });
  if (from === to) {
    return (
      <Text fontSize="sm" color="fg.muted">
        The same build: of this Dag nothing differs that Pinwheel knows of.
      </Text>
    );
  }
  if (compared.error !== null) return undefined;
  // What is shown meanwhile of another target would be taken for this one's.
  if (compared.data === undefined || compared.isPlaceholderData) return <Skeleton height="20px" width="16rem" />;
  const { files, structure } = compared.data;
  const changed = files.filter(({ change }) => change !== "same").length;
  const tasks = structure.tasks_added.length + structure.tasks_removed.length + structure.tasks_changed.length;
  return (
    <Text fontSize="sm">
      {counted(changed, "file")} and {counted(tasks, "task")} differ.{" "}
      <Link asChild color="fg.info">
        <RouterLink
          to={{ pathname: `/dags/${encodeURIComponent(dagId)}/plugin/dag-releases`, search: `view=compare&from=${from}&to=${to}` }}
          target="_blank"
          rel="noopener noreferrer"
        >
          Show what differs
        </RouterLink>
      </Link>
    </Text>
  );
}
