/** All dates in words, oldest first: eras, and gaps in which the active release runs. */
import { Badge, Box, Button, HStack, Table, Text } from "@chakra-ui/react";

import type { Stretch } from "src/api/timeline";
import { BuildLabel, Commit } from "src/components/labels";
import { countWords, spanWords } from "src/features/timeline/words";

interface Props {
  stretches: Stretch[];
  subjectOf: (build: number | null, bundleVersion: string | null) => string;
  canEdit: boolean;
  /** Say which build these dates are for, or that none is. */
  onSet: (stretch: Stretch) => void;
  onUnset: (stretch: Stretch) => void;
}

export function Stretches({ stretches, subjectOf, canEdit, onSet, onUnset }: Props) {
  const counted = stretches.some(({ counts }) => counts !== null);
  return (
    <Table.ScrollArea borderWidth="1px" borderRadius="md" tabIndex={0}>
      <Table.Root size="sm" aria-label="Dates and their builds">
        <Table.Header>
          <Table.Row>
            <Table.ColumnHeader>Dates</Table.ColumnHeader>
            <Table.ColumnHeader>Build</Table.ColumnHeader>
            {counted ? <Table.ColumnHeader>Runs</Table.ColumnHeader> : undefined}
            <Table.ColumnHeader>Why</Table.ColumnHeader>
            {canEdit ? <Table.ColumnHeader aria-label="Actions" /> : undefined}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {stretches.map((stretch) => {
            const { gap, build, bundle_version: version, counts, actor, reason, since_revision: revision } = stretch;
            const words = spanWords(stretch);
            return (
              <Table.Row key={`${stretch.starts_at}`} data-testid={gap ? "gap-row" : "era-row"}>
                <Table.Cell whiteSpace="nowrap">{words}</Table.Cell>
                <Table.Cell maxWidth="22rem">
                  {gap ? (
                    <Text color="fg.muted">
                      <Badge variant="outline">gap</Badge> the active release{build === null ? "" : ", now "}
                      {build === null ? "" : <BuildLabel build={build} />}
                    </Text>
                  ) : (
                    <Box>
                      <BuildLabel build={build} /> <Commit version={version} />
                      <Text fontSize="sm" color="fg.muted" lineClamp={1}>
                        {subjectOf(build, version)}
                      </Text>
                    </Box>
                  )}
                </Table.Cell>
                {counted ? <Table.Cell>{counts === null ? "–" : countWords(counts)}</Table.Cell> : undefined}
                <Table.Cell maxWidth="22rem">
                  {gap ? undefined : (
                    <Text fontSize="sm" overflowWrap="anywhere">
                      {reason ?? ""}
                      <Text as="span" color="fg.muted">
                        {reason ? " · " : ""}
                        {actor ?? "unknown"}, revision {revision}
                      </Text>
                    </Text>
                  )}
                </Table.Cell>
                {canEdit ? (
                  <Table.Cell>
                    <HStack gap={2} justify="flex-end">
                      <Button size="2xs" variant="outline" aria-label={`${gap ? "Set…" : "Change…"} ${words}`} onClick={() => onSet(stretch)}>
                        {gap ? "Set…" : "Change…"}
                      </Button>
                      {gap ? undefined : (
                        <Button size="2xs" variant="outline" colorPalette="danger" aria-label={`Unset… ${words}`} onClick={() => onUnset(stretch)}>
                          Unset…
                        </Button>
                      )}
                    </HStack>
                  </Table.Cell>
                ) : undefined}
              </Table.Row>
            );
          })}
        </Table.Body>
      </Table.Root>
    </Table.ScrollArea>
  );
}
