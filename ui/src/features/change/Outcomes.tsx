import { Badge, Box, Table, Text } from "@chakra-ui/react";
import { Fragment } from "react";

import type { Outcome } from "src/api/changes";
import { DagId } from "src/components/DagId";
import { BuildLabel, PageLink } from "src/components/labels";
import { Warnings } from "src/components/Warnings";

interface Props {
  outcomes: Outcome[];
  caption: string;
  /** They were carried out: told of as what was and what is now. */
  done?: boolean;
}

/** What changes Dag by Dag, and what does not: those that change come first. */
export function Outcomes({ outcomes, caption, done = false }: Props) {
  const ordered = [...outcomes].sort((a, b) => Number(b.changed) - Number(a.changed));
  const headings = done ? ["Dag", "Was", "Is now", "What happened"] : ["Dag", "Now", "Then", "What happens"];
  return (
    <Table.ScrollArea maxHeight="45vh" whiteSpace="normal" borderWidth="1px" borderRadius="md" tabIndex={0} role="group" aria-label={caption}>
      <Table.Root size="sm" stickyHeader aria-label={caption}>
        <Table.Header>
          <Table.Row>
            {headings.map((heading) => (
              <Table.ColumnHeader key={heading}>{heading}</Table.ColumnHeader>
            ))}
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {ordered.map((outcome) => (
            <Fragment key={outcome.dag_id}>
              <Row outcome={outcome} />
              {outcome.warnings.length + outcome.rerun.length > 0 ? (
                <Table.Row>
                  <Table.Cell colSpan={headings.length} pt={0}>
                    <Warnings warnings={outcome.warnings} />
                    <RunsAgain outcome={outcome} done={done} />
                  </Table.Cell>
                </Table.Row>
              ) : undefined}
            </Fragment>
          ))}
        </Table.Body>
      </Table.Root>
    </Table.ScrollArea>
  );
}

function Row({ outcome }: { outcome: Outcome }) {
  const { dag_id: dagId, changed, from_build: fromBuild, from_release: fromRelease, build, release, track } = outcome;
  const told = outcome.warnings.length + outcome.rerun.length > 0;
  return (
    <Table.Row verticalAlign="top" css={told ? { "& > td": { borderBottomWidth: 0 } } : undefined}>
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
      <Table.Cell minWidth="12rem">{outcome.message}</Table.Cell>
    </Table.Row>
  );
}

const NAMED = 5;

/** The runs that run again; once they were cleared, each leads to its page. */
export function RunsAgain({ outcome: { dag_id: dagId, rerun }, done }: { outcome: Outcome; done: boolean }) {
  if (rerun.length === 0) return undefined;
  return (
    <Box fontSize="sm">
      {done ? "Running again: " : "Runs again: "}
      {rerun.slice(0, NAMED).map((runId, place) => (
        <Fragment key={runId}>
          {place === 0 ? "" : ", "}
          {done ? <PageLink to={`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`}>{runId}</PageLink> : runId}
        </Fragment>
      ))}
      {rerun.length > NAMED ? ` and ${rerun.length - NAMED} more` : ""}
    </Box>
  );
}
