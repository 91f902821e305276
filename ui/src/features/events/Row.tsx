/** One event, or those that are told with it, which it opens to. */
import { Box, Button, HStack, Stack, Table, Text } from "@chakra-ui/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { memo, useState } from "react";

import { eventsQuery } from "src/api/events";
import type { Event, EventWish } from "src/api/events";
import { author } from "src/components/author";
import { DagId } from "src/components/DagId";
import { Commit, Kind, PageLink } from "src/components/labels";
import { Loaded } from "src/components/states";
import { byItself } from "src/components/released";
import { Time } from "src/components/time";
import { folded, sentence } from "src/features/events/sentence";


interface Props {
  event: Event;
  /** Without one, events of all Dags are shown, and each says of which it is. */
  dagId: string | undefined;
  wish: EventWish;
}

export const EventRow = memo(function EventRow({ event, dagId, wish }: Props) {
  const [open, setOpen] = useState(false);
  const count = event.alike?.events ?? 1;
  const many = count > 1 && event.batch !== null;
  return (
    <>
      <Line event={event} withDag={dagId === undefined} open={open} onOpen={many ? () => setOpen(!open) : undefined} />
      {open && event.batch !== null ? <Others event={event} dagId={dagId} wish={wish} batch={event.batch} /> : undefined}
    </>
  );
});

function Others({ event, dagId, wish, batch }: Props & { batch: string }) {
  const query = useInfiniteQuery(eventsQuery(dagId, { ...wish, kinds: [event.kind] }, batch));
  const columns = dagId === undefined ? 6 : 5;
  if (query.data === undefined) {
    return (
      <Table.Row>
        <Table.Cell colSpan={columns}>
          <Loaded query={query} rows={2}>
            {() => undefined}
          </Loaded>
        </Table.Cell>
      </Table.Row>
    );
  }
  return (
    <>
      {query.data.pages
        .flatMap(({ events }) => events)
        .map((one) => (
          <Line key={one.id} event={one} withDag={dagId === undefined} within />
        ))}
      {query.hasNextPage ? (
        <Table.Row>
          <Table.Cell colSpan={columns}>
            <Button size="xs" variant="outline" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              More of these
            </Button>
          </Table.Cell>
        </Table.Row>
      ) : undefined}
    </>
  );
}

interface LineProps {
  event: Event;
  withDag: boolean;
  /** One of those that another line stands for. */
  within?: boolean;
  open?: boolean;
  onOpen?: () => void;
}

function Line({ event, withDag, within = false, open = false, onOpen }: LineProps) {
  const said = within ? sentence(event) : folded(event);
  const dags = within ? 1 : (event.alike?.dags ?? 1);
  return (
    <Table.Row verticalAlign="top" bg={within ? "bg.subtle" : undefined} data-testid={within ? "event-within" : `event-${event.id}`}>
      <Table.Cell>
        <Stack gap={0}>
          <Time at={event.at} as="absolute" />
          <Text color="fg.muted" fontSize="xs">
            <Time at={event.at} />
          </Text>
        </Stack>
      </Table.Cell>
      {withDag ? <Table.Cell>{dags > 1 ? <Text>{dags} Dags</Text> : <Subject event={event} />}</Table.Cell> : undefined}
      <Table.Cell>
        <Kind kind={event.kind} />
      </Table.Cell>
      <Table.Cell minWidth="11rem" overflowWrap="anywhere">
        <Box>{said.what}</Box>
        <Links event={event} alone={onOpen === undefined} />
        {said.more === undefined || repeats(said.more, event) ? undefined : (
          <Text color="fg.muted" fontSize="xs">
            {said.more}
          </Text>
        )}
        {said.runId !== undefined && event.dag_id !== null ? (
          <DagId>
            <PageLink to={`/dags/${encodeURIComponent(event.dag_id)}/runs/${encodeURIComponent(said.runId)}`}>{said.runId}</PageLink>
          </DagId>
        ) : undefined}
        {onOpen === undefined ? undefined : (
          <Button size="2xs" variant="outline" aria-expanded={open} onClick={onOpen}>
            {open ? "Hide" : "Show"} the {event.alike?.events} events
          </Button>
        )}
      </Table.Cell>
      <Table.Cell minWidth="6.5rem" overflowWrap="anywhere">
        <Who event={event} />
      </Table.Cell>
      <Table.Cell minWidth="9rem" maxWidth="24rem" whiteSpace="pre-wrap" overflowWrap="anywhere">
        {event.reason ?? <Text color="fg.muted">–</Text>}
      </Table.Cell>
    </Table.Row>
  );
}

/** Whether it says only which commit, which stands there as a link. */
function repeats(more: string, { commit }: Event): boolean {
  return commit !== null && more === `commit ${commit.version.slice(0, 8)}`;
}

function Subject({ event }: { event: Event }) {
  if (event.dag_id === null) return <Text color="fg.muted">{event.bundle ?? "–"}</Text>;
  return (
    <DagId>
      <PageLink to={`/dags/${encodeURIComponent(event.dag_id)}/plugin/dag-releases`}>{event.dag_id}</PageLink>
    </DagId>
  );
}

/** Where what it is about can be looked at: the release, the commit. */
function Links({ event, alone }: { event: Event; alone: boolean }) {
  const release = alone && event.dag_id !== null && typeof event.release === "number" ? event.release : undefined;
  if (release === undefined && event.commit === null) return null;
  return (
    <HStack gap={2} fontSize="xs" wrap="wrap">
      {release === undefined ? undefined : (
        <PageLink to={`/dags/${encodeURIComponent(event.dag_id ?? "")}/plugin/dag-releases#r${release}`}>Release {release}</PageLink>
      )}
      {event.commit === null ? undefined : <Commit version={event.commit.version} url={event.commit.url} />}
    </HStack>
  );
}

/** Who did it; of what nobody asked for, whose commit it was. */
function Who({ event }: { event: Event }) {
  if (!byItself(event.actor)) return <>{event.actor}</>;
  const name = author(event.commit?.author ?? null);
  return (
    <>
      {name}
      <Text color="fg.muted" fontSize={name === "" ? undefined : "xs"}>
        by itself
      </Text>
    </>
  );
}
