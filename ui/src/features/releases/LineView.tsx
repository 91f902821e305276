import { Badge, Button, HStack, Spacer, Stack, Text } from "@chakra-ui/react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { Link as RouterLink, useNavigate } from "react-router-dom";

import { statusQuery } from "src/api/dags";
import { lineQuery } from "src/api/line";
import { useAddress, useAnchor, writeAddress } from "src/components/address";
import { ReadOnly } from "src/components/ReadOnly";
import { lately, RolledBack } from "src/components/RolledBack";
import { Empty, Loaded } from "src/components/states";
import { useShortcut } from "src/components/useShortcut";
import { ChangeDialog } from "src/features/change";
import { EntryList } from "src/features/releases/EntryList";
import { chosen, entriesOf, joined, keyOf } from "src/features/releases/line";
import type { Action, Line, Spacing } from "src/features/releases/line";
import { Picture } from "src/features/releases/Picture";
import { Standing } from "src/features/releases/Standing";
import { TryDialog } from "src/features/releases/TryDialog";
import { OnItsWay } from "src/features/rollouts";

export function LineView({ dagId }: { dagId: string }) {
  const status = useQuery(statusQuery(dagId));
  const line = useInfiniteQuery(lineQuery(dagId));
  const older = line.hasNextPage
    ? { more: () => void line.fetchNextPage(), loading: line.isFetchingNextPage, failed: line.isFetchNextPageError }
    : undefined;
  return (
    <Loaded query={line}>
      {({ pages }) => (
        <Loaded query={status}>{(dag) => <Shown dagId={dagId} dag={dag} pages={pages} older={older} />}</Loaded>
      )}
    </Loaded>
  );
}

interface Props {
  dagId: string;
  dag: Parameters<typeof Standing>[0]["dag"];
  pages: Line[];
  older: { more: () => void; loading: boolean; failed: boolean } | undefined;
}

function Shown({ dagId, dag, pages, older }: Props) {
  const navigate = useNavigate();
  const params = useAddress();
  const [picked, setPicked] = useState<string>();
  const [action, setAction] = useState<Action>();
  const all = useMemo(() => joined(pages), [pages]);
  const entries = useMemo(() => entriesOf(all.builds, all.releases), [all]);
  const selected = selectedIn(params);
  const spacing: Spacing = params.get("spacing") === "time" ? "time" : "even";
  const [newest] = pages;
  const anchor = useAnchor();
  const named = keyOf(entries, anchor);
  // What the address names may be further back than what is loaded.
  const missing = named === undefined && /^[rb][1-9]/.test(anchor) && older !== undefined && !older.loading && !older.failed;
  useEffect(() => {
    if (missing) older?.more();
  }, [missing, older]);
  // A click in the picture counts until the address names another row.
  useEffect(() => setPicked(named), [named]);
  const back = newest?.may.edit === true && newest.way_back !== null;
  useShortcut("r", back && action === undefined ? () => setAction({ verb: "rollback" }) : undefined);
  if (newest === undefined || entries.length === 0) return <Empty title="No build of this Dag yet" />;
  const { may } = newest;
  const active = all.releases.find((one) => one.active);
  const left = all.releases.find(({ release }) => release === (active?.release ?? 0) - 1);

  const choose = (build: number) =>
    writeAddress(
      (address) => {
        const after = chosen(selectedIn(address), build);
        address.delete("select");
        for (const one of after) address.append("select", String(one));
      },
      { replace: true },
    );
  const space = (wanted: Spacing) =>
    writeAddress((address) => (wanted === "even" ? address.delete("spacing") : address.set("spacing", wanted)), { replace: true });
  const unknown = Object.values(newest.runs_before_pinwheel).reduce((sum, number) => sum + number, 0);

  return (
    <Stack gap={3}>
      {lately(active) ? <RolledBack dagId={dagId} release={active} before={left?.build ?? null} /> : undefined}
      <Standing dag={dag} builds={all.builds} releases={all.releases} wayBack={newest.way_back} may={may} onAct={setAction} />
      <OnItsWay dagId={dagId} />
      {may.edit ? undefined : <ReadOnly />}
      <Picture
        entries={entries}
        builds={all.builds}
        releases={all.releases}
        inForce={all.inForce}
        runs={all.runs}
        since={pages.at(-1)?.since ?? null}
        selected={selected}
        spacing={spacing}
        onSpacing={space}
        onPick={setPicked}
        onRun={(runId) => void navigate(`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`)}
      />
      {unknown > 0 || all.moreRuns ? (
        <HStack gap={3}>
          {unknown > 0 ? (
            <Text fontSize="sm" color="fg.muted">
              <Badge>before Pinwheel</Badge> {unknown} {unknown === 1 ? "run" : "runs"}: which code they ran is not known.
            </Text>
          ) : undefined}
          {all.moreRuns ? (
            <Text fontSize="sm" color="fg.muted">
              The picture shows the newest 1,000 runs; the numbers in the list count all.
            </Text>
          ) : undefined}
        </HStack>
      ) : undefined}
      <EntryList
        dagId={dagId}
        entries={entries}
        activeBuild={dag.active_build}
        may={may}
        selected={selected}
        picked={picked}
        onChoose={choose}
        onAct={setAction}
        older={older}
      />
      {selected.length === 0 ? undefined : <Chosen selected={selected} />}
      {action === undefined ? undefined : action.verb === "try" ? (
        <TryDialog dagId={dagId} build={action.build} active={action.build === dag.active_build} onClose={() => setAction(undefined)} />
      ) : (
        <ChangeDialog {...action} dagIds={[dagId]} onClose={() => setAction(undefined)} />
      )}
    </Stack>
  );
}

/** The two builds that were chosen last. */
function selectedIn(params: URLSearchParams): number[] {
  return params
    .getAll("select")
    .map(Number)
    .filter((build) => Number.isInteger(build) && build > 0)
    .slice(-2);
}

function Chosen({ selected }: { selected: number[] }) {
  const [from, to] = [...selected].sort((a, b) => a - b);
  return (
    <HStack position="sticky" bottom={0} bg="bg.panel" borderWidth="1px" borderRadius="md" p={2} boxShadow="md" role="status">
      <Text>
        {to === undefined ? `Build ${from} is chosen. Choose another one to compare it with.` : `Build ${from} and build ${to} are chosen.`}
      </Text>
      <Spacer />
      <Button
        size="sm"
        variant="outline"
        onClick={() => writeAddress((address) => address.delete("select"), { replace: true })}
      >
        Clear
      </Button>
      {to === undefined ? undefined : (
        <Button size="sm" colorPalette="brand" asChild>
          <RouterLink to={{ search: `view=compare&from=${from}&to=${to}` }}>Compare</RouterLink>
        </Button>
      )}
    </HStack>
  );
}
