import { Box, Button, Checkbox, HStack, Stack, Table, Text } from "@chakra-ui/react";
import { useMemo, useState } from "react";

import { aroundChanges } from "src/components/graph/around";
import { TaskGraph } from "src/components/graph/TaskGraph";
import { Empty } from "src/components/states";
import { attributeRows, isSame, shown, summary } from "src/features/releases/compare/words";
import type { AttributeRow, Comparison } from "src/features/releases/compare/words";

/** Above so many tasks only what changed and what lies beside it is drawn at first. */
const LARGE = 150;

export function Structure({ found }: { found: Comparison }) {
  const { graph, structure } = found;
  const same = isSame(structure);
  const [whole, setWhole] = useState(graph.nodes.length <= LARGE || same);
  const [task, setTask] = useState<string>();
  const drawn = useMemo(() => (whole ? graph : { ...graph, ...aroundChanges(graph.nodes, graph.edges) }), [graph, whole]);
  const rows = attributeRows(structure);
  const listed = task === undefined ? rows : rows.filter((row) => row.of === task);
  return (
    <Stack gap={3}>
      <HStack gap={4} wrap="wrap">
        <Text>{same ? "The structure is the same: same tasks, dependencies and attributes." : summary(structure)}</Text>
        <Key />
        {graph.nodes.length > LARGE && !same ? (
          <Checkbox.Root size="sm" checked={whole} onCheckedChange={({ checked }) => setWhole(checked === true)}>
            <Checkbox.HiddenInput />
            <Checkbox.Control />
            <Checkbox.Label>All {graph.nodes.length} tasks</Checkbox.Label>
          </Checkbox.Root>
        ) : undefined}
      </HStack>
      {drawn.nodes.length === 0 ? (
        <Empty title={graph.nodes.length === 0 ? "No tasks" : "No task changed"} />
      ) : (
        <TaskGraph
          nodes={drawn.nodes}
          edges={drawn.edges}
          groups={drawn.groups}
          label={`Graph of build ${found.from.build} and build ${found.to.build} together`}
          selected={task}
          onSelect={(picked) => setTask(picked === task ? undefined : picked)}
        />
      )}
      {task === undefined ? undefined : (
        <HStack>
          <Text>
            Only what changed of task <b>{task}</b>
          </Text>
          <Button size="2xs" variant="outline" onClick={() => setTask(undefined)}>
            Show all
          </Button>
        </HStack>
      )}
      {listed.length > 0 ? <Attributes rows={listed} from={found.from.build} to={found.to.build} /> : undefined}
      {task !== undefined && listed.length === 0 ? <Text color="fg.muted">No attribute of it changed.</Text> : undefined}
    </Stack>
  );
}

function Key() {
  const signs = [
    ["+", "added", "fg.success"],
    ["−", "removed", "fg.error"],
    ["~", "changed", "fg.warning"],
  ];
  return (
    <HStack gap={3} fontSize="sm" color="fg.muted" aria-hidden>
      {signs.map(([sign, word, colour]) => (
        <span key={word}>
          <Text as="span" fontWeight="bold" color={colour}>
            {sign}
          </Text>{" "}
          {word}
        </span>
      ))}
    </HStack>
  );
}

function Attributes({ rows, from, to }: { rows: AttributeRow[]; from: number | null; to: number | null }) {
  return (
    <Table.ScrollArea borderWidth="1px" borderRadius="md">
      <Table.Root size="sm" aria-label="Changed attributes">
        <Table.Header>
          <Table.Row>
            <Table.ColumnHeader>Of</Table.ColumnHeader>
            <Table.ColumnHeader>Attribute</Table.ColumnHeader>
            <Table.ColumnHeader>Build {from}</Table.ColumnHeader>
            <Table.ColumnHeader>Build {to}</Table.ColumnHeader>
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {rows.map((row) => (
            <Table.Row key={`${row.of}\n${row.name}`} verticalAlign="top">
              <Table.Cell fontWeight="medium">{row.of}</Table.Cell>
              <Table.Cell>{row.name}</Table.Cell>
              <Table.Cell>
                <Value>{shown(row.from)}</Value>
              </Table.Cell>
              <Table.Cell>
                <Value>{shown(row.to)}</Value>
              </Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Table.ScrollArea>
  );
}

function Value({ children }: { children: string }) {
  return (
    <Box as="pre" fontFamily="mono" fontSize="xs" whiteSpace="pre-wrap" wordBreak="break-word" maxHeight="12rem" overflow="auto" tabIndex={children.length > 400 ? 0 : undefined}>
      {children}
    </Box>
  );
}
