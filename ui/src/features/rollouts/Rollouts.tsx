/** What is on its way: first what waits for a person, then the rest; what has ended on demand. */
import { Button, Flex, Heading, NativeSelect, Stack, Table } from "@chakra-ui/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { rolloutsQuery } from "src/api/rollouts";
import type { Rollout, RolloutWish } from "src/api/rollouts";
import { useFilters } from "src/components/filters";
import { ReadOnly } from "src/components/ReadOnly";
import { Empty, Loaded } from "src/components/states";
import { ActingDialog } from "src/features/rollouts/Acts";
import type { Acting } from "src/features/rollouts/Acts";
import { RolloutRow } from "src/features/rollouts/RolloutRow";
import { isFiltered, STATES, WAITING_FOR, wishOf } from "src/features/rollouts/wish";

/** What waits for a time, or for runs, moves without any event of ours. */
const REFRESH_MS = 15_000;

export function Rollouts() {
  const { params, set } = useFilters();
  const wish = wishOf(params);
  const filtered = isFiltered(params);
  const ended = params.get("state") === "ended";
  const [acting, setActing] = useState<Acting>();
  return (
    <>
      <Flex gap={2} wrap="wrap" mb={3} role="search" aria-label="Filters">
        <Select name="state" label="State" choices={STATES} />
        {ended ? undefined : <Select name="waiting_for" label="Waiting for" choices={WAITING_FOR} />}
        {wish.dagId === undefined ? undefined : (
          <Button size="sm" variant="solid" colorPalette="brand" aria-label={`Without the Dag ${wish.dagId}`} onClick={() => set({ dag: null })}>
            {wish.dagId} ×
          </Button>
        )}
      </Flex>
      {filtered ? (
        <Listed key="all" wish={wish} title="Rollouts" empty="No rollout matches these filters" onAct={setActing} />
      ) : (
        <Stack gap={5}>
          <Listed key="person" wish={{ ...wish, waitingFor: "person" }} title="Waiting for a person" empty="Nothing waits for a person" onAct={setActing} />
          <Listed key="others" wish={wish} title="On their way" empty="Nothing else is on its way" but="person" onAct={setActing} />
          <Flex justifyContent="center">
            <Button size="sm" variant="outline" onClick={() => set({ state: "ended" })}>
              Show what has ended
            </Button>
          </Flex>
        </Stack>
      )}
      <ActingDialog acting={acting} onClose={() => setActing(undefined)} />
    </>
  );
}

interface ListedProps {
  wish: RolloutWish;
  title: string;
  empty: string;
  /** Those that wait for this are told elsewhere. */
  but?: string;
  onAct: (acting: Acting) => void;
}

function Listed({ wish, title, empty, but, onAct }: ListedProps) {
  const query = useInfiniteQuery({ ...rolloutsQuery(wish), refetchInterval: REFRESH_MS });
  return (
    <Stack as="section" aria-label={title} gap={2}>
      <Loaded query={query} rows={3}>
        {({ pages }) => {
          const rollouts = pages.flatMap((page) => page.rollouts).filter(({ waits_for: waits }) => waits.kind !== but);
          return (
            <>
              <Heading size="md" as="h2" aria-live="polite">
                {title} ({rollouts.length}
                {query.hasNextPage ? " or more" : ""})
              </Heading>
              {rollouts.length > 0 && rollouts.every(({ may }) => !may.edit) ? <ReadOnly what="a Dag" /> : undefined}
              {rollouts.length === 0 && !query.hasNextPage ? <Empty title={empty} /> : <RolloutTable rollouts={rollouts} label={title} onAct={onAct} />}
              {query.hasNextPage ? (
                <Flex justifyContent="center">
                  <Button size="sm" variant="outline" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                    Older rollouts
                  </Button>
                </Flex>
              ) : undefined}
            </>
          );
        }}
      </Loaded>
    </Stack>
  );
}

function RolloutTable({ rollouts, label, onAct }: { rollouts: readonly Rollout[]; label: string; onAct: (acting: Acting) => void }) {
  return (
    <Table.ScrollArea whiteSpace="normal">
      <Table.Root size="sm" striped aria-label={label}>
        <Table.Header>
          <Table.Row>
            {["Dag", "What", "Steps", "Waits for", "Since", "Acts"].map((heading) => (
              <Table.ColumnHeader key={heading}>{heading}</Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {rollouts.map((rollout) => (
            <RolloutRow key={rollout.id} rollout={rollout} onAct={onAct} />
          ))}
        </Table.Body>
      </Table.Root>
    </Table.ScrollArea>
  );
}

function Select({ name, label, choices }: { name: string; label: string; choices: Record<string, string> }) {
  const { params, set } = useFilters();
  const value = params.get(name) ?? "";
  return (
    <NativeSelect.Root size="sm" width="auto" minWidth={40}>
      <NativeSelect.Field aria-label={label} value={Object.hasOwn(choices, value) ? value : ""} onChange={(event) => set({ [name]: event.target.value })}>
        {Object.entries(choices).map(([choice, words]) => (
          <option key={choice} value={choice}>
            {label}: {words}
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}
