/** The runs that are on another build than that of their date: counted, listed when asked for, and run again. */
import { Alert, Button, HStack, List, Text } from "@chakra-ui/react";
import { useState } from "react";

import type { DatedRun } from "src/api/timeline";
import { PageLink } from "src/components/labels";
import { absolute } from "src/components/time";
import { counted, differWords, runWords } from "src/features/timeline/words";

const SHOWN = 200;

interface Props {
  dagId: string;
  zone: string;
  differ: DatedRun[];
  byHand: DatedRun[];
  /** Undefined: who looks may not clear them. */
  onClear: (() => void) | undefined;
}

export function Differing({ dagId, zone, differ, byHand, onClear }: Props) {
  const [open, setOpen] = useState(false);
  if (differ.length === 0 && byHand.length === 0) {
    return (
      <Text fontSize="sm" color="fg.muted">
        Each run is on the build of its date.
      </Text>
    );
  }
  return (
    <Alert.Root status={differ.length === 0 ? "neutral" : "warning"} data-testid="differing">
      <Alert.Indicator />
      <Alert.Content gap={1}>
        <Alert.Title>{differ.length === 0 ? "Each run that nobody chose a build for is on that of its date" : differWords(differ.length)}</Alert.Title>
        <Alert.Description>
          {byHand.length === 0 ? undefined : (
            <Text fontSize="sm">{counted(byHand.length, "run")} on a build that somebody chose: the timeline has no say.</Text>
          )}
          <HStack gap={2} mt={1} wrap="wrap">
            {onClear === undefined || differ.length === 0 ? undefined : (
              <Button size="sm" variant="outline" onClick={onClear}>
                Clear them…
              </Button>
            )}
            <Button size="sm" variant="plain" aria-expanded={open} onClick={() => setOpen(!open)}>
              {open ? "Hide them" : "Show them"}
            </Button>
          </HStack>
          {open ? <Runs dagId={dagId} zone={zone} runs={[...differ, ...byHand]} /> : undefined}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

/** Each with its date and the two builds. */
export function Runs({ dagId, zone, runs }: { dagId: string; zone: string; runs: DatedRun[] }) {
  return (
    <List.Root gap={1} listStyle="none" maxHeight="30vh" overflowY="auto" tabIndex={0} aria-label="Runs" fontSize="sm">
      {runs.slice(0, SHOWN).map((run) => (
        <List.Item key={run.run_id} overflowWrap="anywhere">
          {absolute(run.date, zone)}{" "}
          <PageLink to={`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(run.run_id)}`}>{run.run_id}</PageLink>: {runWords(run)}
        </List.Item>
      ))}
      {runs.length > SHOWN ? <List.Item color="fg.muted">and {runs.length - SHOWN} more</List.Item> : undefined}
    </List.Root>
  );
}
