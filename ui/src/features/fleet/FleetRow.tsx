import { Badge, Box, Button, Checkbox, HStack, Stack, Table, Text } from "@chakra-ui/react";
import { memo, useState } from "react";

import type { FleetDag } from "src/api/fleet";
import { author } from "src/components/author";
import { behindWords } from "src/components/behind";
import { BrokenButton } from "src/components/BrokenButton";
import { DagId } from "src/components/DagId";
import { toggleWord } from "src/components/filters";
import { eraOver } from "src/components/held";
import { Holds } from "src/components/Holds";
import { PinIcon } from "src/components/icons";
import { BuildLabel, Commit, Kind, PageLink, ReleaseLabel, State } from "src/components/labels";
import { ByWhom, RejectedBadge, rejectionIn } from "src/components/Rejected";
import { byItself } from "src/components/released";
import { Time } from "src/components/time";
import { Tooltip } from "src/components/Tooltip";
import { WatchBadge, watchWords } from "src/components/WatchBadge";
import { Waiting } from "src/features/fleet/Waiting";

const GOING_ON = ["running", "queued"];


interface Props {
  dag: FleetDag;
  selectable: boolean;
  chosen: boolean;
  onChoose: (dagId: string, on: boolean) => void;
}

/** Drawn anew only when something of its own changed: answers that are alike keep their objects. */
export const FleetRow = memo(function FleetRow({ dag, selectable, chosen, onChoose }: Props) {
  const [open, setOpen] = useState(false);
  const waits = dag.active !== null && dag.newest !== null && (dag.held || dag.behind !== null);
  return (
    <>
      <Table.Row verticalAlign="top" data-testid={`dag-${dag.dag_id}`}>
        {selectable ? (
          <Table.Cell>
            {dag.may_edit ? (
              <Checkbox.Root size="sm" checked={chosen} onCheckedChange={({ checked }) => onChoose(dag.dag_id, checked === true)}>
                <Checkbox.HiddenInput aria-label={`Select ${dag.dag_id}`} />
                <Checkbox.Control />
              </Checkbox.Root>
            ) : undefined}
          </Table.Cell>
        ) : undefined}
        <Table.Cell>
          <Box fontWeight="bold">
            <DagId>
              <PageLink to={`/dags/${encodeURIComponent(dag.dag_id)}/plugin/dag-releases`}>{dag.display_name}</PageLink>
            </DagId>
          </Box>
          <Small>{dag.owners.join(" · ")}</Small>
          <Tags tags={dag.tags} />
        </Table.Cell>
        <Table.Cell>
          <HStack gap={1}>
            <BuildLabel dagId={dag.dag_id} build={dag.active?.build} label={dag.active?.label} />
            {dag.retired ? <Badge colorPalette="gray">retired</Badge> : undefined}
            <WatchBadge watch={dag.watch} />
          </HStack>
          {dag.active === null ? undefined : (
            <Small lines={2}>
              {dag.active_release === null ? "not released" : <ReleaseLabel dagId={dag.dag_id} release={dag.active_release} />} ·{" "}
              <Commit version={dag.active.bundle_version} url={dag.active.url} /> {author(dag.active.author)}
            </Small>
          )}
          {dag.watch ? (
            <Box fontSize="xs" lineClamp={3} overflowWrap="anywhere" title={watchWords(dag.watch)}>
              {watchWords(dag.watch)}
            </Box>
          ) : undefined}
        </Table.Cell>
        <Table.Cell>
          <Newest dag={dag} open={open} onOpen={waits ? setOpen : undefined} />
        </Table.Cell>
        <Table.Cell maxWidth="16rem">
          {dag.pin === null ? (
            <Text color="fg.muted">–</Text>
          ) : (
            <Stack gap={0}>
              <HStack gap={1}>
                <PinIcon color="fg.warning" />
                <Text lineClamp={2} overflowWrap="anywhere" title={dag.pin.reason ?? undefined}>
                  {dag.pin.reason ?? "no reason given"}
                </Text>
              </HStack>
              <Small lines={2}>
                {dag.pin.actor ?? "unknown"}, <Time at={dag.pin.since} />
              </Small>
            </Stack>
          )}
        </Table.Cell>
        <Table.Cell>
          <Runs dag={dag} />
        </Table.Cell>
        <Table.Cell>
          {dag.last_change === null ? (
            <Text color="fg.muted">–</Text>
          ) : (
            <>
              <Tooltip content={dag.last_change.reason ?? "no reason given"}>
                <Box as="span" tabIndex={0}>
                  <Kind kind={dag.last_change.kind} />
                </Box>
              </Tooltip>
              <Small lines={2}>
                <Actor dag={dag} />, <Time at={dag.last_change.at} />
              </Small>
            </>
          )}
        </Table.Cell>
      </Table.Row>
      {open && waits ? <Waiting dag={dag} columns={selectable ? 7 : 6} /> : undefined}
    </>
  );
});

/** Each is a click on the filter. */
function Tags({ tags }: { tags: readonly string[] }) {
  if (tags.length === 0) return null;
  return (
    <HStack gap={1} wrap="wrap" mt={1}>
      {tags.map((tag) => (
        <Button
          key={tag}
          size="2xs"
          variant="outline"
          height="auto"
          minHeight={5}
          maxWidth="100%"
          whiteSpace="normal"
          overflowWrap="anywhere"
          title={`Only Dags with the tag ${tag}, or no longer only those`}
          onClick={() => toggleWord("tag", tag)}
        >
          #{tag}
        </Button>
      ))}
    </HStack>
  );
}

/** Who made the last change; of one that nobody asked for, whose commit it was. */
function Actor({ dag }: { dag: FleetDag }) {
  if (!byItself(dag.last_change?.actor ?? null)) return <>{dag.last_change?.actor}</>;
  return <>{author(dag.active?.author ?? null) || "by itself"}</>;
}

function Newest({ dag, open, onOpen }: { dag: FleetDag; open: boolean; onOpen: ((open: boolean) => void) | undefined }) {
  const rejection = rejectionIn(dag.holds);
  return (
    <Stack gap={1} alignItems="flex-start">
      {dag.held ? (
        <HStack gap={1} wrap="wrap">
          <BuildLabel dagId={dag.dag_id} build={dag.newest?.build} label={dag.newest?.label} />
          <Badge colorPalette="orange">held</Badge>
          {rejection === undefined ? undefined : <RejectedBadge />}
          {eraOver(dag) === undefined ? undefined : <Badge title="An era of its timeline holds now, on another build">era</Badge>}
        </HStack>
      ) : (
        <Text color="fg.muted">{dag.newest === null || dag.newest.build !== dag.active?.build ? "–" : "is active"}</Text>
      )}
      {dag.behind === null ? undefined : <Text fontSize="sm">{behindWords(dag.behind)}</Text>}
      {dag.held && dag.newest !== null ? (
        <Small lines={2}>
          <Time at={dag.newest.created_at} /> · {subject(dag.newest.message)}
        </Small>
      ) : undefined}
      {rejection === undefined ? undefined : (
        <Box fontSize="xs" lineClamp={2} title={rejection.reason ?? undefined}>
          Rejected <ByWhom rejection={rejection} />
        </Box>
      )}
      <Holds holds={dag.holds} />
      {onOpen === undefined ? undefined : (
        <Button size="2xs" variant="outline" aria-expanded={open} onClick={() => onOpen(!open)}>
          {open ? "Hide" : "Show"} what waits
        </Button>
      )}
      {dag.broken === null ? undefined : <BrokenButton dagId={dag.dag_id} broken={dag.broken} />}
    </Stack>
  );
}

function Runs({ dag }: { dag: FleetDag }) {
  if (dag.runs === null) return <Text color="fg.muted">may not be seen</Text>;
  const { success = 0, failed = 0 } = dag.runs;
  const running = GOING_ON.reduce((sum, state) => sum + (dag.runs?.[state] ?? 0), 0);
  const shown = [
    { state: "success", number: success, words: "success" },
    { state: "failed", number: failed, words: "failed" },
    { state: "running", number: running, words: "running" },
  ].filter(({ number }) => number > 0);
  if (shown.length === 0) return <Text color="fg.muted">none yet</Text>;
  return (
    <>
      <HStack gap={1} wrap="wrap">
        {shown.map(({ state, number, words }) => (
          <PageLink key={state} to={`/dags/${encodeURIComponent(dag.dag_id)}/runs?state=${state}`}>
            <State state={state}>
              {number} {words}
            </State>
          </PageLink>
        ))}
      </HStack>
      {dag.failing_since === null ? undefined : (
        <Small lines={2}>
          failing since <Time at={dag.failing_since} />
        </Small>
      )}
    </>
  );
}

function Small({ children, lines = 1 }: { children: React.ReactNode; lines?: number }) {
  return (
    <Box color="fg.muted" fontSize="xs" lineClamp={lines} overflowWrap="anywhere">
      {children}
    </Box>
  );
}

/** The first line of a commit's message. */
function subject(message: string | null): string {
  return message?.split("\n", 1)[0] ?? "";
}
