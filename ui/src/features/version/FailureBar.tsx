/** From a run or a try that failed to the way back: how its release stands, and what to do about it. */
import { Alert, Button, HStack } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Link as RouterLink } from "react-router-dom";

import { activeIn, lineHeadQuery } from "src/api/line";
import type { Schemas } from "src/api/schemas";
import type { Version } from "src/api/versions";
import { dagPath } from "src/components/dag";
import { PageLink } from "src/components/labels";
import { ReadOnly } from "src/components/ReadOnly";
import { lately } from "src/components/RolledBack";
import { Time } from "src/components/time";
import { useShortcut } from "src/components/useShortcut";
import { nameOf } from "src/components/version/names";
import { ChangeDialog } from "src/features/change";

const FAILED = new Set(["failed", "up_for_retry", "upstream_failed"]);

/** Whether a run or a try came to nothing good, so far. */
export function hasFailed(state: string | null): boolean {
  return FAILED.has(state ?? "");
}

interface Props {
  dagId: string;
  runId: string;
  /** What the run or the try ran on. */
  version: Version | undefined;
  /** Whether it came to nothing good, so that the way back is what to press. */
  failed?: boolean;
  /** Only what failed has the bar; once it is there it stays, with the dialog that it opened. */
  onlyFailed?: boolean;
}

export function FailureBar({ onlyFailed = false, ...bar }: Props) {
  const seen = useRef(false);
  // What failed runs again after a rollback: its state is another one then, and what was done is still to be told.
  seen.current ||= !onlyFailed || bar.failed !== false;
  return seen.current ? <Bar {...bar} /> : null;
}

function Bar({ dagId, runId, version, failed = true }: Omit<Props, "onlyFailed">) {
  const line = useQuery(lineHeadQuery(dagId));
  const [open, setOpen] = useState(false);
  const found = line.data;
  const active = activeIn(found);
  const ours = active !== undefined && version?.release === active.release;
  const back = found?.way_back ?? null;
  const roll = ours && back !== null && found?.may.edit ? () => setOpen(true) : undefined;
  useShortcut("r", roll);
  if (active === undefined || version === undefined || version.kind === "unknown") return null;
  const wrong = ours && (failed || (active.runs.failed ?? 0) > 0);
  const there = `${dagPath(dagId, "dag-history")}?until=${encodeURIComponent(runId)}&run=${encodeURIComponent(runId)}`;
  return (
    <>
      <Alert.Root status={wrong ? "error" : "info"} variant="outline" size="sm" role="group" aria-label="What to do about it" data-testid="failure-bar">
        <Alert.Indicator />
        <Alert.Content>
          {lately(active) ? (
            <Alert.Title overflowWrap="anywhere">
              Rolled back by itself <Time at={active.created_at} />, because {active.reason}.
            </Alert.Title>
          ) : undefined}
          <Alert.Title>{ours ? told(active, found?.may.read_runs ?? false) : `This ran on ${nameOf(version)}. Release ${active.release} is active now.`}</Alert.Title>
          <Alert.Description>
            {found?.may.edit === false ? <ReadOnly /> : undefined}
            {ours && back === null ? "There is no earlier build to go back to." : undefined}
            <HStack gap={2} wrap="wrap" mt={1}>
              {roll === undefined ? undefined : (
                <Button size="sm" variant={wrong ? "solid" : "outline"} colorPalette="danger" onClick={roll} title="Keyboard: r" aria-keyshortcuts="r">
                  Roll back…
                </Button>
              )}
              {ours && back !== null && back.build !== active.build ? (
                <CompareLink dagId={dagId} from={`b${back.build}`} to={`r${active.release}`}>
                  Compare with build {back.build}
                </CompareLink>
              ) : undefined}
              {!ours && version.build !== null && version.build !== active.build ? (
                <CompareLink dagId={dagId} from={`b${version.build}`} to={`r${active.release}`}>
                  Compare with build {active.build}
                </CompareLink>
              ) : undefined}
              {ours ? undefined : <PageLink to={there}>Run it again, in Dag History</PageLink>}
            </HStack>
          </Alert.Description>
        </Alert.Content>
      </Alert.Root>
      {open ? <ChangeDialog verb="rollback" dagIds={[dagId]} onClose={() => setOpen(false)} /> : undefined}
    </>
  );
}

/** "Release 3 is active; 2 runs failed on it." */
function told({ release, runs }: Schemas["LineRelease"], mayRead: boolean): string {
  if (!mayRead) return `Release ${release} is active.`;
  const failed = runs.failed ?? 0;
  const came = failed === 0 ? "no run has ended as failed on it yet" : `${failed} ${failed === 1 ? "run" : "runs"} failed on it`;
  return `Release ${release} is active; ${came}.`;
}

function CompareLink({ dagId, from, to, children }: { dagId: string; from: string; to: string; children: React.ReactNode }) {
  return (
    <Button size="sm" variant="outline" asChild>
      <RouterLink to={`${dagPath(dagId, "dag-releases")}?view=compare&from=${from}&to=${to}`}>{children}</RouterLink>
    </Button>
  );
}
