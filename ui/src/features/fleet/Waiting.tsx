/** What waits for a Dag: the builds and broken commits between the active build and the newest, and how far it is behind. */
import { Box, HStack, Stack, Table, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";

import { buildsQuery } from "src/api/builds";
import type { FleetDag } from "src/api/fleet";
import type { Schemas } from "src/api/schemas";
import { author } from "src/components/author";
import { behindWords } from "src/components/behind";
import { BuildLabel, Commit, PageLink } from "src/components/labels";
import { RejectedBadge } from "src/components/Rejected";
import { Loaded } from "src/components/states";
import { Time } from "src/components/time";

type Build = Schemas["Build"];

/** Those that came after the active build, newest first; *builds* are newest first too. */
export function since(builds: readonly Build[], active: number): Build[] {
  const place = builds.findIndex(({ build }) => build === active);
  return builds.slice(0, place < 0 ? builds.length : place);
}

/** "2 builds, 1 broken commit". */
export function countOf(waiting: readonly Build[]): string {
  const broken = waiting.filter(({ status }) => status === "broken").length;
  const good = waiting.length - broken;
  const said = [good === 0 ? "" : `${good} ${good === 1 ? "build" : "builds"}`, broken === 0 ? "" : `${broken} broken ${broken === 1 ? "commit" : "commits"}`];
  return said.filter(Boolean).join(", ") || "no other build";
}

export function Waiting({ dag, columns }: { dag: FleetDag; columns: number }) {
  const query = useQuery(buildsQuery(dag.dag_id));
  const [from, to] = [dag.active?.build ?? 0, dag.newest?.build ?? 0];
  const page = `/dags/${encodeURIComponent(dag.dag_id)}/plugin/dag-releases`;
  return (
    <Table.Row data-testid={`waiting-${dag.dag_id}`} bg="bg.subtle">
      <Table.Cell colSpan={columns}>
        <Loaded query={query} rows={2}>
          {({ builds }) => {
            const waiting = since(builds, from);
            return (
              <Stack gap={1} ps={4}>
                <HStack gap={3} wrap="wrap">
                  <Text fontWeight="bold">
                    After build {from}: {countOf(waiting)}
                    {dag.behind === null ? "" : `, ${behindWords(dag.behind)}`}
                  </Text>
                  {from === to ? undefined : <PageLink to={`${page}?view=compare&from=${from}&to=${to}`}>Compare build {from} with build {to}</PageLink>}
                </HStack>
                {waiting.map((one) => (
                  <Line key={`${one.build} ${one.bundle_version}`} build={one} url={one.build === to ? dag.newest?.url : undefined} />
                ))}
              </Stack>
            );
          }}
        </Loaded>
      </Table.Cell>
    </Table.Row>
  );
}

function Line({ build, url }: { build: Build; url: string | null | undefined }) {
  return (
    <HStack gap={2} wrap="wrap" fontSize="sm">
      {build.status === "broken" ? <Text color="fg.error">broken commit</Text> : <BuildLabel build={build.build} label={build.label} />}
      {build.rejected === null ? undefined : <RejectedBadge />}
      <Commit version={build.bundle_version} url={url} />
      <Box overflowWrap="anywhere">{build.message?.split("\n", 1)[0]}</Box>
      <Text color="fg.muted">
        {author(build.author)} <Time at={build.committed_at ?? build.created_at} />
      </Text>
    </HStack>
  );
}
