import { ActionBar, Box, Button, ButtonGroup, Checkbox, Flex, Heading, HStack, NativeSelect, Portal, Table } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useRef, useState } from "react";

import type { Verb } from "src/api/changes";
import { PAGE_SIZE, allEditable, fleetChoicesQuery, fleetQuery } from "src/api/fleet";
import type { FleetCounts } from "src/api/fleet";
import { SelectFilter, TextFilter, ToggleFilter, WordsFilter, useFilters } from "src/components/filters";
import { Pager } from "src/components/Pager";
import { Empty, Loaded } from "src/components/states";
import { ChangeDialog, wordsOf } from "src/features/change";
import { FleetRow } from "src/features/fleet/FleetRow";
import { TroubledBundles } from "src/features/fleet/TroubledBundles";
import { FIRST_ORDER, ORDERS, PIN_AGES, STATES, wishOf } from "src/features/fleet/wish";

const VERBS: Verb[] = ["pin", "unpin", "promote", "rollback"];
const TITLES: Record<(typeof STATES)[number], string> = {
  held: "Held",
  pinned: "Pinned",
  broken: "Broken",
  failing: "Failing since release",
};

export function FleetTable() {
  const { params, page, set } = useFilters();
  const fleet = useQuery(fleetQuery(wishOf(params), page));
  const choices = useQuery(fleetChoicesQuery());
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [verb, setVerb] = useState<Verb>();
  const changed = useRef(false);
  const close = () => {
    setVerb(undefined);
    if (changed.current) setChosen([]);
    changed.current = false;
  };
  const counts = fleet.data?.counts;
  const filtered = [...params.keys()].some((name) => !["page", "order"].includes(name));

  // The same function each time: a row is drawn anew only when something of its own changed.
  const choose = useCallback(
    (dagId: string, on: boolean) => setChosen((before) => (on ? [...before, dagId] : before.filter((other) => other !== dagId))),
    [],
  );

  return (
    <>
      <Flex gap={2} wrap="wrap" mb={3} role="search" aria-label="Filters">
        <Box flex="1 1 20rem">
          <TextFilter name="text" label="Search Dags" />
        </Box>
        <ButtonGroup attached size="sm">
          {STATES.map((state) => (
            <ToggleFilter key={state} name={state}>
              {TITLES[state]} {counts === undefined ? "" : `(${counted(state, counts)})`}
            </ToggleFilter>
          ))}
        </ButtonGroup>
        <PinAge />
        <WordsFilter name="tag" label="Tag" choices={choices.data?.tags} />
        <SelectFilter name="bundle" label="Bundle" choices={choices.data?.bundles} />
        <SelectFilter name="owner" label="Owner" choices={choices.data?.owners} />
      </Flex>
      <Loaded query={fleet} rows={8}>
        {({ dags, bundles, total_entries: total }) => {
          const editable = dags.filter((dag) => dag.may_edit).map((dag) => dag.dag_id);
          const all = editable.length > 0 && editable.every((dagId) => chosen.includes(dagId));
          return (
            <>
              <TroubledBundles bundles={bundles} />
              <Flex justifyContent="space-between" alignItems="center" mb={2} gap={2} wrap="wrap">
                <HStack>
                  <Heading size="md" as="h2" aria-live="polite">
                    {total} {total === 1 ? "Dag" : "Dags"}
                  </Heading>
                  {all && total > dags.length ? (
                    <Button size="xs" variant="plain" colorPalette="brand" onClick={() => void allEditable(wishOf(params)).then(setChosen)}>
                      Select all {total}
                    </Button>
                  ) : undefined}
                </HStack>
                <NativeSelect.Root size="sm" width="auto">
                  <NativeSelect.Field
                    aria-label="Order"
                    value={wishOf(params).order_by}
                    onChange={({ target: { value } }) => set({ order: value === FIRST_ORDER ? null : value })}
                  >
                    {Object.entries(ORDERS).map(([order, words]) => (
                      <option key={order} value={order}>
                        {words}
                      </option>
                    ))}
                  </NativeSelect.Field>
                  <NativeSelect.Indicator />
                </NativeSelect.Root>
              </Flex>
              {dags.length === 0 ? (
                filtered ? (
                  <Empty title="No Dag matches these filters">
                    <Button size="sm" variant="outline" onClick={() => set(Object.fromEntries([...params.keys()].map((name) => [name, null])))}>
                      Clear filters
                    </Button>
                  </Empty>
                ) : (
                  <Empty title="No Dags yet">
                    Pinwheel lists a Dag as soon as its Dag processor has parsed it: pinwheel dag-processor.
                  </Empty>
                )
              ) : (
                <Table.ScrollArea whiteSpace="normal">
                  <Table.Root size="sm" striped aria-label="Dags">
                    <Table.Header>
                      <Table.Row>
                        {editable.length > 0 ? (
                          <Table.ColumnHeader width={8}>
                            <Checkbox.Root
                              size="sm"
                              checked={all}
                              onCheckedChange={({ checked }) => setChosen(checked === true ? [...new Set([...chosen, ...editable])] : [])}
                            >
                              <Checkbox.HiddenInput aria-label="Select all on this page" />
                              <Checkbox.Control />
                            </Checkbox.Root>
                          </Table.ColumnHeader>
                        ) : undefined}
                        <Table.ColumnHeader>Dag</Table.ColumnHeader>
                        <Table.ColumnHeader>Active</Table.ColumnHeader>
                        <Table.ColumnHeader>Newest build</Table.ColumnHeader>
                        <Table.ColumnHeader>Pinned</Table.ColumnHeader>
                        <Table.ColumnHeader>Runs since release</Table.ColumnHeader>
                        <Table.ColumnHeader>Last change</Table.ColumnHeader>
                      </Table.Row>
                    </Table.Header>
                    <Table.Body>
                      {dags.map((dag) => (
                        <FleetRow
                          key={dag.dag_id}
                          dag={dag}
                          selectable={editable.length > 0}
                          chosen={chosen.includes(dag.dag_id)}
                          onChoose={choose}
                        />
                      ))}
                    </Table.Body>
                  </Table.Root>
                </Table.ScrollArea>
              )}
              <Pager total={total} size={PAGE_SIZE} />
            </>
          );
        }}
      </Loaded>
      {/* Stays while the dialog is open: on Airflow 3.4 a layer that closes takes those above it along. */}
      <ActionBar.Root open={chosen.length > 0} closeOnInteractOutside={false} closeOnEscape={false}>
        <Portal>
          <ActionBar.Positioner>
            <ActionBar.Content role="toolbar" aria-label="Change the selected Dags">
              <ActionBar.SelectionTrigger onClick={() => setChosen([])} title="Clear the selection">
                {chosen.length} selected
              </ActionBar.SelectionTrigger>
              <ActionBar.Separator />
              {VERBS.map((name) => (
                <Button key={name} size="sm" variant="outline" colorPalette={name === "rollback" ? "danger" : "brand"} onClick={() => setVerb(name)}>
                  {wordsOf(name).title}
                </Button>
              ))}
            </ActionBar.Content>
          </ActionBar.Positioner>
        </Portal>
      </ActionBar.Root>
      {verb === undefined ? undefined : (
        <ChangeDialog verb={verb} dagIds={[...chosen]} onClose={close} onDone={() => (changed.current = true)} />
      )}
    </>
  );
}

/** "3"; of several Dags of one broken file "1 file, 55 Dags". */
function counted(state: (typeof STATES)[number], counts: FleetCounts): string {
  const { broken, broken_files: files } = counts;
  if (state !== "broken" || files >= broken) return String(counts[state]);
  return `${files} ${files === 1 ? "file" : "files"}, ${broken} Dags`;
}

function PinAge() {
  const { params, set } = useFilters();
  return (
    <NativeSelect.Root size="sm" width="auto">
      <NativeSelect.Field aria-label="Pinned for" value={params.get("pinned_days") ?? ""} onChange={(event) => set({ pinned_days: event.target.value })}>
        <option value="">Pinned for: any time</option>
        {Object.entries(PIN_AGES).map(([days, words]) => (
          <option key={days} value={days}>
            Pinned for {words} or longer
          </option>
        ))}
      </NativeSelect.Field>
      <NativeSelect.Indicator />
    </NativeSelect.Root>
  );
}
