/** The dates at which tasks of the active build have no place. */
import { Stack, Table, Text } from "@chakra-ui/react";

import type { Variant } from "src/api/timeline";
import { spanWords } from "src/features/timeline/words";

const NAMED = 12;

export function Variants({ variants }: { variants: Variant[] | null }) {
  if (variants === null || variants.length === 0) return undefined;
  return (
    <Stack gap={1}>
      <Text fontSize="sm">Some tasks of the active build have no place at some dates. Runs with data of these do not have them.</Text>
      <Table.ScrollArea borderWidth="1px" borderRadius="md" tabIndex={0}>
        <Table.Root size="sm" aria-label="Dates and the tasks that have no place at them">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>Dates</Table.ColumnHeader>
              <Table.ColumnHeader>Without</Table.ColumnHeader>
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {variants.map((one) => (
              <Table.Row key={`${one.starts_at}`} data-testid="variant-row">
                <Table.Cell whiteSpace="nowrap">{spanWords(one)}</Table.Cell>
                <Table.Cell overflowWrap="anywhere" title={one.absent.join(", ")}>
                  {one.absent.slice(0, NAMED).join(", ")}
                  {one.absent.length > NAMED ? ` and ${one.absent.length - NAMED} more` : ""}
                </Table.Cell>
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      </Table.ScrollArea>
    </Stack>
  );
}
