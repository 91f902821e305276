/** The audit trail: who changed what, when and why; of one Dag or of all that the user may read. */
import { Button, ButtonGroup, Flex, HStack, NativeSelect, Table, Text } from "@chakra-ui/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { eventsQuery } from "src/api/events";
import type { EventWish } from "src/api/events";
import { InstantFilter, TextFilter, instantIn, useFilters } from "src/components/filters";
import { Empty, Loaded } from "src/components/states";
import { useTimezone } from "src/components/time";
import { DEFAULT_GROUP, EVERYTHING, GROUPS } from "src/features/events/groups";
import { EventRow } from "src/features/events/Row";
import { HINTS, isStill, SPANS, spanOf } from "src/features/events/spans";
import type { SpanName } from "src/features/events/spans";

const FILTERS = ["kind", "dag", "actor", "search", "since", "until"];

function wishOf(params: URLSearchParams): EventWish {
  return {
    dag: params.get("dag") ?? "",
    kinds: GROUPS[params.get("kind") ?? DEFAULT_GROUP] ?? [],
    actor: params.get("actor") ?? "",
    search: params.get("search") ?? "",
    since: instantIn(params, "since"),
    until: instantIn(params, "until"),
  };
}

export function Events({ dagId }: { dagId?: string }) {
  const { params, set } = useFilters();
  const timezone = useTimezone();
  const wish = useMemo(() => wishOf(params), [params]);
  const query = useInfiniteQuery(eventsQuery(dagId, wish));
  const filtered = FILTERS.some((name) => params.has(name));
  return (
    <>
      <Filters ofOneDag={dagId !== undefined} />
      <Loaded query={query} rows={8}>
        {({ pages }) => {
          const events = pages.flatMap((page) => page.events);
          if (events.length === 0 && !query.hasNextPage) {
            return (
              <Empty title={filtered ? "No event matches these filters" : "Nobody has changed anything yet"}>
                {filtered ? "Each release, pin and rollback is noted here, with who did it and why." : "What happens by itself is among all events."}
                {filtered ? undefined : (
                  <Flex justifyContent="center" mt={2}>
                    <Button size="sm" variant="outline" onClick={() => set({ kind: EVERYTHING })}>
                      Show all events
                    </Button>
                  </Flex>
                )}
              </Empty>
            );
          }
          return (
            <>
              <Table.ScrollArea whiteSpace="normal">
                <Table.Root size="sm" aria-label="Events">
                  <Table.Header>
                    <Table.Row>
                      <Table.ColumnHeader>
                        When{" "}
                        <Text as="span" fontWeight="normal" color="fg.muted">
                          ({timezone})
                        </Text>
                      </Table.ColumnHeader>
                      {dagId === undefined ? <Table.ColumnHeader>Dag</Table.ColumnHeader> : undefined}
                      <Table.ColumnHeader>Kind</Table.ColumnHeader>
                      <Table.ColumnHeader>What</Table.ColumnHeader>
                      <Table.ColumnHeader>Who</Table.ColumnHeader>
                      <Table.ColumnHeader>Why</Table.ColumnHeader>
                    </Table.Row>
                  </Table.Header>
                  <Table.Body>
                    {events.map((event) => (
                      <EventRow key={event.id} event={event} dagId={dagId} wish={wish} />
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

function Filters({ ofOneDag }: { ofOneDag: boolean }) {
  const { params, set } = useFilters();
  const timezone = useTimezone();
  // Of an address that is older, or was sent to somebody, the span is another one by now.
  const pressed = (name: SpanName) => params.get("span") === name && isStill(name, params.get("since"), new Date(), timezone);
  const choose = (name: SpanName) =>
    set(pressed(name) ? { span: null, since: null, until: null } : { span: name, ...spanOf(name, new Date(), timezone) });
  return (
    <HStack mb={3} gap={2} wrap="wrap" role="search" aria-label="Filters">
      {ofOneDag ? undefined : <TextFilter name="dag" label="Dag" width="14rem" />}
      <NativeSelect.Root size="sm" width="auto" minWidth={48}>
        <NativeSelect.Field
          aria-label="Kind"
          value={params.get("kind") ?? DEFAULT_GROUP}
          onChange={({ target: { value } }) => set({ kind: value === DEFAULT_GROUP ? null : value })}
        >
          {Object.keys(GROUPS).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
      <TextFilter name="actor" label="Who" width="10rem" />
      <TextFilter name="search" label="Search reasons" width="14rem" />
      <ButtonGroup attached size="sm">
        {(Object.keys(SPANS) as SpanName[]).map((name) => (
          <Button
            key={name}
            variant={pressed(name) ? "solid" : "outline"}
            colorPalette="brand"
            aria-pressed={pressed(name)}
            title={`${HINTS[name]} (${timezone})`}
            onClick={() => choose(name)}
          >
            {SPANS[name]}
          </Button>
        ))}
      </ButtonGroup>
      <InstantFilter name="since" label="From" forget="span" />
      <InstantFilter name="until" label="Until" forget="span" />
      <Text color="fg.muted" fontSize="sm">
        {timezone}
      </Text>
    </HStack>
  );
}
