/** The audit trail: who changed what, when and why; of one Dag or of all that the user may read. */
import { Box, Button, Flex, HStack, NativeSelect, Stack, Table, Text } from "@chakra-ui/react";
import { useInfiniteQuery } from "@tanstack/react-query";

import { eventsQuery } from "src/api/events";
import type { Event } from "src/api/events";
import { InstantFilter, TextFilter, instantIn, useFilters } from "src/components/filters";
import { Kind, PageLink } from "src/components/labels";
import { Empty, Loaded } from "src/components/states";
import { Time } from "src/components/time";
import { GROUPS } from "src/features/events/groups";
import { sentence } from "src/features/events/sentence";

export function Events({ dagId }: { dagId?: string }) {
  const { params } = useFilters();
  const group = params.get("kind") ?? "";
  const query = useInfiniteQuery(eventsQuery(dagId, {
    dag: params.get("dag") ?? "",
    kinds: GROUPS[group] ?? [],
    actor: params.get("actor") ?? "",
    since: instantIn(params, "since"),
    until: instantIn(params, "until"),
  }));
  const filtered = ["kind", "dag", "actor", "since", "until"].some((name) => params.has(name));
  return (
    <>
      <Filters ofOneDag={dagId !== undefined} />
      <Loaded query={query} rows={8}>
        {({ pages }) => {
          const events = pages.flatMap((page) => page.events);
          if (events.length === 0 && !query.hasNextPage) {
            return (
              <Empty title={filtered ? "No event matches these filters" : "Nothing has happened yet"}>
                Each release, pin and rollback is noted here, with who did it and why.
              </Empty>
            );
          }
          return (
            <>
              <Table.ScrollArea>
                <Table.Root size="sm" striped aria-label="Events">
                  <Table.Header>
                    <Table.Row>
                      <Table.ColumnHeader>When</Table.ColumnHeader>
                      {dagId === undefined ? <Table.ColumnHeader>Dag</Table.ColumnHeader> : undefined}
                      <Table.ColumnHeader>Kind</Table.ColumnHeader>
                      <Table.ColumnHeader>What</Table.ColumnHeader>
                      <Table.ColumnHeader>Who</Table.ColumnHeader>
                      <Table.ColumnHeader>Why</Table.ColumnHeader>
                    </Table.Row>
                  </Table.Header>
                  <Table.Body>
                    {events.map((event) => (
                      <Row key={event.id} event={event} withDag={dagId === undefined} />
                    ))}
                  </Table.Body>
                </Table.Root>
              </Table.ScrollArea>
              {query.hasNextPage ? (
                <Flex justifyContent="center" my={3}>
                  <Button size="sm" variant="outline" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                    Older events
                  </Button>
                </Flex>
              ) : undefined}
            </>
          );
        }}
      </Loaded>
    </>
  );
}

function Row({ event, withDag }: { event: Event; withDag: boolean }) {
  const said = sentence(event);
  return (
    <Table.Row verticalAlign="top">
      <Table.Cell>
        <Stack gap={0}>
          <Time at={event.at} as="absolute" />
          <Text color="fg.muted" fontSize="xs">
            <Time at={event.at} />
          </Text>
        </Stack>
      </Table.Cell>
      {withDag ? (
        <Table.Cell>
          {event.dag_id === null ? (
            <Text color="fg.muted">{event.bundle ?? "–"}</Text>
          ) : (
            <PageLink to={`/dags/${encodeURIComponent(event.dag_id)}/plugin/dag-releases`}>{event.dag_id}</PageLink>
          )}
        </Table.Cell>
      ) : undefined}
      <Table.Cell>
        <Kind kind={event.kind} />
      </Table.Cell>
      <Table.Cell>
        <Box>{said.what}</Box>
        {said.more === undefined ? undefined : (
          <Text color="fg.muted" fontSize="xs">
            {said.more}
          </Text>
        )}
        {said.runId !== undefined && event.dag_id !== null ? (
          <PageLink to={`/dags/${encodeURIComponent(event.dag_id)}/runs/${encodeURIComponent(said.runId)}`}>{said.runId}</PageLink>
        ) : undefined}
      </Table.Cell>
      <Table.Cell>{event.actor}</Table.Cell>
      <Table.Cell maxWidth="24rem" whiteSpace="pre-wrap">
        {event.reason ?? <Text color="fg.muted">–</Text>}
      </Table.Cell>
    </Table.Row>
  );
}

function Filters({ ofOneDag }: { ofOneDag: boolean }) {
  const { params, set } = useFilters();
  return (
    <HStack mb={3} gap={2} wrap="wrap" role="search" aria-label="Filters">
      {ofOneDag ? undefined : <TextFilter name="dag" label="Dag" width="14rem" />}
      <NativeSelect.Root size="sm" width="auto" minWidth={48}>
        <NativeSelect.Field aria-label="Kind" value={params.get("kind") ?? ""} onChange={(event) => set({ kind: event.target.value })}>
          <option value="">All events</option>
          {Object.keys(GROUPS).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
      <TextFilter name="actor" label="Who" width="14rem" />
      <InstantFilter name="since" label="From" />
      <InstantFilter name="until" label="Until" />
    </HStack>
  );
}
