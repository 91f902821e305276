import { Badge, Button, HStack, Spacer, Stack, Text } from "@chakra-ui/react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link as RouterLink, useNavigate, useSearchParams } from "react-router-dom";

import { ChangeDialog } from "src/components/dialogs/ChangeDialog";
import type { Change } from "src/components/dialogs/change";
import { Empty, Loaded } from "src/components/states";
import { EntryList } from "src/pages/dagReleases/EntryList";
import { Picture } from "src/pages/dagReleases/Picture";
import { Standing } from "src/pages/dagReleases/Standing";
import { TryDialog } from "src/pages/dagReleases/TryDialog";
import { chosen, entriesOf, joined } from "src/pages/dagReleases/line";
import type { Line, Spacing } from "src/pages/dagReleases/line";
import { lineQuery, statusQuery } from "src/pages/dagReleases/queries";

export type Action = Omit<Change, "dagIds"> | { verb: "try"; build: number };

export function LineView({ dagId }: { dagId: string }) {
  const status = useQuery(statusQuery(dagId));
  const line = useInfiniteQuery(lineQuery(dagId));
  const older = line.hasNextPage
    ? { more: () => void line.fetchNextPage(), loading: line.isFetchingNextPage }
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
  older: { more: () => void; loading: boolean } | undefined;
}

function Shown({ dagId, dag, pages, older }: Props) {
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const [picked, setPicked] = useState<string>();
  const [action, setAction] = useState<Action>();
  const all = useMemo(() => joined(pages), [pages]);
  const entries = useMemo(() => entriesOf(all.builds, all.releases), [all]);
  const numbers = params.getAll("select").map(Number).filter((build) => Number.isInteger(build) && build > 0);
  const selected = numbers.slice(-2);
  const spacing: Spacing = params.get("spacing") === "time" ? "time" : "even";
  // The URL changes a moment after a click; two quick clicks are two choices.
  const latest = useRef(selected);
  useEffect(() => {
    latest.current = selected;
  });
  const [newest] = pages;
  if (newest === undefined || entries.length === 0) return <Empty title="No build of this Dag yet" />;
  const { may } = newest;

  const choose = (build: number) => {
    latest.current = chosen(latest.current, build);
    setParams(
      (before) => {
        before.delete("select");
        for (const one of latest.current) before.append("select", String(one));
        return before;
      },
      { replace: true },
    );
  };
  const space = (wanted: Spacing) =>
    setParams(
      (before) => {
        if (wanted === "even") before.delete("spacing");
        else before.set("spacing", wanted);
        return before;
      },
      { replace: true },
    );
  const unknown = Object.values(newest.runs_before_pinwheel).reduce((sum, number) => sum + number, 0);

  return (
    <Stack gap={3}>
      <Standing dag={dag} builds={all.builds} releases={all.releases} may={may} onAct={setAction} />
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
        <TryDialog dagId={dagId} build={action.build} onClose={() => setAction(undefined)} />
      ) : (
        <ChangeDialog {...action} dagIds={[dagId]} onClose={() => setAction(undefined)} />
      )}
    </Stack>
  );
}

function Chosen({ selected }: { selected: number[] }) {
  const [from, to] = [...selected].sort((a, b) => a - b);
  const [, setParams] = useSearchParams();
  return (
    <HStack position="sticky" bottom={0} bg="bg.panel" borderWidth="1px" borderRadius="md" p={2} boxShadow="md" role="status">
      <Text>
        {to === undefined ? `Build ${from} is chosen. Choose another one to compare it with.` : `Build ${from} and build ${to} are chosen.`}
      </Text>
      <Spacer />
      <Button
        size="sm"
        variant="outline"
        onClick={() =>
          setParams(
            (before) => {
              before.delete("select");
              return before;
            },
            { replace: true },
          )
        }
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
