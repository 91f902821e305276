import { Badge, Box, Stack, Table, Text } from "@chakra-ui/react";

import type { Outcome } from "src/api/changes";
import { DagId } from "src/components/DagId";
import { BuildLabel } from "src/components/labels";

/** What changes Dag by Dag, and what does not: those that change come first. */
export function Outcomes({ outcomes, caption }: { outcomes: Outcome[]; caption: string }) {
  const ordered = [...outcomes].sort((a, b) => Number(b.changed) - Number(a.changed));
  return (
    <Table.ScrollArea whiteSpace="normal" maxHeight="45vh" borderWidth="1px" borderRadius="md">
      <Table.Root size="sm" stickyHeader aria-label={caption}>
        <Table.Header>
          <Table.Row>
            <Table.ColumnHeader>Dag</Table.ColumnHeader>
            <Table.ColumnHeader>Now</Table.ColumnHeader>
            <Table.ColumnHeader>Then</Table.ColumnHeader>
            <Table.ColumnHeader>What happens</Table.ColumnHeader>
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {ordered.map((outcome) => (
            <Row key={outcome.dag_id} outcome={outcome} />
          ))}
        </Table.Body>
      </Table.Root>
    </Table.ScrollArea>
  );
}

function Row({ outcome }: { outcome: Outcome }) {
  const { dag_id: dagId, changed, from_build: fromBuild, from_release: fromRelease, build, release, track } = outcome;
  return (
    <Table.Row verticalAlign="top">
      <Table.Cell fontWeight="medium">
        <DagId>{dagId}</DagId>
      </Table.Cell>
      <Table.Cell>
        <BuildLabel build={fromBuild} />
        <Text color="fg.muted" fontSize="xs">
          {fromRelease === null ? "not released" : `Release ${fromRelease}`}
        </Text>
      </Table.Cell>
      <Table.Cell>
        {changed ? (
          <>
            <BuildLabel build={build ?? fromBuild} />
            <Text color="fg.muted" fontSize="xs">
              {(release ?? fromRelease) === fromRelease && build !== fromBuild ? "a new release" : `Release ${release ?? fromRelease ?? "–"}`}
            </Text>
            {track === "pinned" ? (
              <Badge colorPalette="orange" variant="subtle">
                pinned
              </Badge>
            ) : undefined}
          </>
        ) : (
          <Text color="fg.muted">as it is</Text>
        )}
      </Table.Cell>
      <Table.Cell>
        <Stack gap={1}>
          <Text>{outcome.message}</Text>
          {outcome.warnings.map((warning) => (
            <Text key={warning} color="fg.warning">
              {warning}
            </Text>
          ))}
          {outcome.rerun.length > 0 ? (
            <Box>
              Runs again: {outcome.rerun.slice(0, 5).join(", ")}
              {outcome.rerun.length > 5 ? ` and ${outcome.rerun.length - 5} more` : ""}
            </Box>
          ) : undefined}
        </Stack>
      </Table.Cell>
    </Table.Row>
  );
}
