/** What happened to the Dag, newest first: builds, releases, broken commits; each with what can be done with it. */
import { Badge, Box, Button, Checkbox, Menu, Portal, Table, Text } from "@chakra-ui/react";
import { useEffect, useRef, useState } from "react";

import type { Schemas } from "src/api/schemas";
import { author } from "src/components/author";
import { BrokenButton } from "src/components/BrokenButton";
import { BuildLabel, Commit, Kind, ReleaseLabel } from "src/components/labels";
import { ByWhom, RejectedBadge } from "src/components/Rejected";
import { byItself, ownReason, subject } from "src/components/released";
import { RunCounts } from "src/components/RunCounts";
import { Time } from "src/components/time";
import { verbTo } from "src/features/releases/line";
import type { Action, Entry } from "src/features/releases/line";

/** How the watch of a release stands, or ended. */
const WATCHES: Record<string, string> = {
  watching: "watched",
  paused: "watch paused",
  proven: "proven",
  rolled_back: "rolled back",
  aborted: "watch ended by somebody",
  superseded: "watch superseded",
  withdrawn: "watch withdrawn",
};

/** So many rows are drawn at first and added at a time. */
const ROWS = 25;

interface Props {
  dagId: string;
  entries: Entry[];
  activeBuild: number | null;
  may: Schemas["May"];
  selected: number[];
  /** The row that was clicked in the picture. */
  picked: string | undefined;
  onChoose: (build: number) => void;
  onAct: (action: Action) => void;
  older: { more: () => void; loading: boolean } | undefined;
}

export function EntryList({ dagId, entries, activeBuild, may, selected, picked, onChoose, onAct, older }: Props) {
  const [wanted, setWanted] = useState(ROWS);
  const place = picked === undefined ? -1 : entries.findIndex(({ key }) => key === picked);
  const rows = Math.max(wanted, place + 1);
  const canAct = may.edit || may.create_runs;
  return (
    <Box>
      <Table.ScrollArea whiteSpace="normal">
        <Table.Root size="sm" aria-label="Builds and releases">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>Compare</Table.ColumnHeader>
              <Table.ColumnHeader>What</Table.ColumnHeader>
              <Table.ColumnHeader>When</Table.ColumnHeader>
              <Table.ColumnHeader>Commit</Table.ColumnHeader>
              <Table.ColumnHeader>Who and why</Table.ColumnHeader>
              <Table.ColumnHeader>Runs</Table.ColumnHeader>
              {canAct ? <Table.ColumnHeader>Actions</Table.ColumnHeader> : undefined}
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {entries.slice(0, rows).map((entry) => (
              <Row
                key={entry.key}
                dagId={dagId}
                entry={entry}
                activeBuild={activeBuild}
                may={may}
                canAct={canAct}
                selected={selected}
                picked={entry.key === picked}
                onChoose={onChoose}
                onAct={onAct}
              />
            ))}
          </Table.Body>
        </Table.Root>
      </Table.ScrollArea>
      {rows < entries.length ? (
        <Button mt={2} size="sm" variant="outline" onClick={() => setWanted(rows + ROWS * 2)}>
          Show more ({entries.length - rows})
        </Button>
      ) : older === undefined ? undefined : (
        <Button mt={2} size="sm" variant="outline" loading={older.loading} onClick={older.more}>
          Load what was before
        </Button>
      )}
    </Box>
  );
}

type RowProps = Pick<Props, "dagId" | "activeBuild" | "may" | "selected" | "onChoose" | "onAct"> & {
  entry: Entry;
  canAct: boolean;
  picked: boolean;
};

function Row({ dagId, entry, activeBuild, may, canAct, selected, picked, onChoose, onAct }: RowProps) {
  const { build, release, broken } = entry;
  const number = build?.build ?? release?.build ?? null;
  const row = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (picked) row.current?.scrollIntoView({ block: "center", behavior: "smooth" });
  }, [picked]);
  const commit = build ?? release;
  const reason = ownReason(release?.reason, commit?.message);
  return (
    <Table.Row
      ref={row}
      data-testid={entry.key.replace(" ", "-")}
      verticalAlign="top"
      bg={picked ? "bg.info" : release?.active ? "bg.success" : undefined}
      borderLeftWidth={release?.active ? "4px" : undefined}
      borderLeftColor="green.solid"
    >
      <Table.Cell>
        {number === null ? undefined : (
          <Checkbox.Root size="sm" checked={selected.includes(number)} onCheckedChange={() => onChoose(number)}>
            <Checkbox.HiddenInput aria-label={`Choose build ${number} to compare${build === undefined ? `, of release ${release?.release}` : ""}`} />
            <Checkbox.Control />
          </Checkbox.Root>
        )}
      </Table.Cell>
      <Table.Cell whiteSpace="nowrap">
        {broken ? (
          <Badge colorPalette="red">broken commit</Badge>
        ) : (
          <Box fontWeight={release?.active ? "bold" : undefined}>
            <BuildLabel build={number} label={build?.label ?? release?.label} /> {entry.rejected ? <RejectedBadge /> : undefined}
          </Box>
        )}
        {release === undefined ? (
          broken ? undefined : (
            <Text fontSize="xs" color="fg.muted">
              {build !== undefined && build.releases.length > 0
                ? `later released: ${build.releases.map((one) => `release ${one}`).join(", ")}`
                : "never released"}
            </Text>
          )
        ) : (
          <Box fontSize="sm">
            <ReleaseLabel release={release.release} active={release.active} /> <Kind kind={release.kind} />
            {release.fetchable ? undefined : (
              <Text fontSize="xs" color="fg.muted">
                can no longer be fetched
              </Text>
            )}
          </Box>
        )}
      </Table.Cell>
      <Table.Cell>
        <Time at={entry.at} />
        {release === undefined || release.until === null ? undefined : (
          <Text fontSize="xs" color="fg.muted">
            until <Time at={release.until} />
          </Text>
        )}
      </Table.Cell>
      <Table.Cell maxWidth="20rem">
        <Commit version={commit?.bundle_version} url={commit?.url} />
        <Text fontSize="sm" lineClamp={1} title={commit?.message ?? undefined}>
          {subject(commit?.message)}
        </Text>
        {broken ? undefined : (
          <Text fontSize="xs" color="fg.muted">
            {author(commit?.author ?? null)}
          </Text>
        )}
      </Table.Cell>
      <Table.Cell maxWidth="20rem">
        {broken && build !== undefined ? (
          <BrokenButton dagId={dagId} broken={{ at: build.created_at, bundle_version: build.bundle_version, error: build.error }} url={build.url} />
        ) : (
          <>
            {release === undefined ? undefined : <Text fontSize="sm">{byItself(release.actor) ? "by itself" : release.actor}</Text>}
            {reason === null ? undefined : (
              <Text fontSize="xs" color="fg.muted" lineClamp={2} title={reason}>
                {reason}
              </Text>
            )}
            {release?.watch ? (
              <Text fontSize="xs" lineClamp={3} title={release.watch.words}>
                {WATCHES[release.watch.state] ?? release.watch.state}: {release.watch.words}
              </Text>
            ) : undefined}
            {build === undefined || build.rejected === null ? undefined : (
              <Text fontSize="xs" lineClamp={2} title={build.rejected.reason ?? undefined}>
                rejected <ByWhom rejection={build.rejected} />
              </Text>
            )}
          </>
        )}
      </Table.Cell>
      <Table.Cell>
        <RunCounts runs={release?.runs ?? (build === undefined ? {} : build.runs)} again={release?.run_again_on} />
      </Table.Cell>
      {canAct ? (
        <Table.Cell>
          {number === null || release?.fetchable === false ? undefined : <Actions build={number} rejected={entry.rejected} newer={commit?.newer ?? false} activeBuild={activeBuild} may={may} onAct={onAct} />}
        </Table.Cell>
      ) : undefined}
    </Table.Row>
  );
}

type ActionsProps = { build: number; rejected: boolean; newer: boolean } & Pick<Props, "activeBuild" | "may" | "onAct">;

function Actions({ build, rejected, newer, activeBuild, may, onAct }: ActionsProps) {
  const [open, setOpen] = useState(false);
  const verb = verbTo(build, activeBuild, newer);
  const name = `${rejected && build !== activeBuild ? "rejected " : ""}build ${build}`;
  const trigger = (
    <Button size="2xs" variant="outline" aria-label={`Actions for build ${build}`} onClick={() => setOpen(true)}>
      …
    </Button>
  );
  // A menu for each of hundreds of rows is slow to draw: it is made when it is asked for.
  if (!open) return trigger;
  return (
    <Menu.Root defaultOpen onOpenChange={(details) => setOpen(details.open)} lazyMount unmountOnExit>
      <Menu.Trigger asChild>{trigger}</Menu.Trigger>
      <Portal>
        <Menu.Positioner>
          <Menu.Content>
            {may.edit && verb !== undefined ? (
              <Menu.Item value={verb} onClick={() => onAct({ verb, build })}>
                {verb === "promote" ? `Promote ${name}` : `Roll back to ${name}`}
              </Menu.Item>
            ) : undefined}
            {may.edit ? (
              <Menu.Item value="pin" onClick={() => onAct({ verb: "pin", build })}>
                Pin to {name}
              </Menu.Item>
            ) : undefined}
            {may.create_runs ? (
              <Menu.Item value="try" onClick={() => onAct({ verb: "try", build })}>
                {build === activeBuild ? "Run once" : `Try build ${build} once`}
              </Menu.Item>
            ) : undefined}
          </Menu.Content>
        </Menu.Positioner>
      </Portal>
    </Menu.Root>
  );
}
