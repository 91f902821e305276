import { Badge, Box, Checkbox, HStack, Stack, Table, Text } from "@chakra-ui/react";

import type { FleetDag } from "src/api/fleet";
import { author } from "src/components/author";
import { behindWords } from "src/components/behind";
import { BrokenButton } from "src/components/BrokenButton";
import { PinIcon } from "src/components/icons";
import { BuildLabel, Commit, Kind, PageLink, State } from "src/components/labels";
import { ByWhom, RejectedBadge, rejectionIn } from "src/components/Rejected";
import { Time } from "src/components/time";
import { Tooltip } from "src/components/Tooltip";

const GOING_ON = ["running", "queued"];

export function FleetRow({
  dag,
  selectable,
  chosen,
  onChoose,
}: {
  dag: FleetDag;
  selectable: boolean;
  chosen: boolean;
  onChoose: (on: boolean) => void;
}) {
  return (
    <Table.Row verticalAlign="top" data-testid={`dag-${dag.dag_id}`}>
      {selectable ? (
        <Table.Cell>
          {dag.may_edit ? (
            <Checkbox.Root size="sm" checked={chosen} onCheckedChange={({ checked }) => onChoose(checked === true)}>
              <Checkbox.HiddenInput aria-label={`Select ${dag.dag_id}`} />
              <Checkbox.Control />
            </Checkbox.Root>
          ) : undefined}
        </Table.Cell>
      ) : undefined}
      <Table.Cell>
        <Box fontWeight="bold">
          <PageLink to={`/dags/${encodeURIComponent(dag.dag_id)}/plugin/dag-releases`}>{dag.display_name}</PageLink>
        </Box>
        <Small>{[...dag.owners, ...dag.tags.map((tag) => `#${tag}`)].join(" · ")}</Small>
      </Table.Cell>
      <Table.Cell>
        <HStack gap={1}>
          <BuildLabel build={dag.active?.build} label={dag.active?.label} />
          {dag.retired ? <Badge colorPalette="gray">retired</Badge> : undefined}
        </HStack>
        {dag.active === null ? undefined : (
          <Small>
            {dag.active_release === null ? "not released" : `Release ${dag.active_release}`} ·{" "}
            <Commit version={dag.active.bundle_version} url={dag.active.url} /> {author(dag.active.author)}
          </Small>
        )}
      </Table.Cell>
      <Table.Cell>
        <Newest dag={dag} />
      </Table.Cell>
      <Table.Cell maxWidth="16rem">
        {dag.pin === null ? (
          <Text color="fg.muted">–</Text>
        ) : (
          <Stack gap={0}>
            <HStack gap={1}>
              <PinIcon color="fg.warning" />
              <Text lineClamp={2} title={dag.pin.reason ?? undefined}>
                {dag.pin.reason ?? "no reason given"}
              </Text>
            </HStack>
            <Small>
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
            <Small>
              {dag.last_change.actor}, <Time at={dag.last_change.at} />
            </Small>
          </>
        )}
      </Table.Cell>
    </Table.Row>
  );
}

function Newest({ dag }: { dag: FleetDag }) {
  const rejection = rejectionIn(dag.holds);
  return (
    <Stack gap={1} alignItems="flex-start">
      {dag.held ? (
        <HStack gap={1} wrap="wrap">
          <BuildLabel build={dag.newest?.build} label={dag.newest?.label} />
          <Badge colorPalette="orange">held</Badge>
          {rejection === undefined ? undefined : <RejectedBadge />}
        </HStack>
      ) : (
        <Text color="fg.muted">{dag.newest === null || dag.newest.build !== dag.active?.build ? "–" : "is active"}</Text>
      )}
      {dag.behind === null ? undefined : <Text fontSize="sm">{behindWords(dag.behind)}</Text>}
      {dag.held && dag.newest !== null ? (
        <Small>
          <Time at={dag.newest.created_at} /> · {subject(dag.newest.message)}
        </Small>
      ) : undefined}
      {rejection === undefined ? undefined : (
        <Box fontSize="xs" lineClamp={2} title={rejection.reason ?? undefined}>
          Rejected <ByWhom rejection={rejection} />
        </Box>
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
    <HStack gap={1} wrap="wrap">
      {shown.map(({ state, number, words }) => (
        <PageLink key={state} to={`/dags/${encodeURIComponent(dag.dag_id)}/runs?state=${state}`}>
          <State state={state}>
            {number} {words}
          </State>
        </PageLink>
      ))}
    </HStack>
  );
}

function Small({ children }: { children: React.ReactNode }) {
  return (
    <Box color="fg.muted" fontSize="xs" lineClamp={1}>
      {children}
    </Box>
  );
}

/** The first line of a commit's message. */
function subject(message: string | null): string {
  return message?.split("\n", 1)[0] ?? "";
}
