import { HStack, Text } from "@chakra-ui/react";

import { State } from "src/components/labels";

const WORDS: Record<string, string> = { success: "success", failed: "failed", running: "running", queued: "queued" };

/** How many runs came to what; in Airflow's colours. */
export function RunCounts({ runs, none }: { runs: Record<string, number>; none?: string }) {
  const shown = Object.keys(WORDS).filter((state) => (runs[state] ?? 0) > 0);
  if (shown.length === 0) {
    return none === undefined ? null : (
      <Text fontSize="sm" color="fg.muted">
        {none}
      </Text>
    );
  }
  return (
    <HStack gap={1} wrap="wrap">
      {shown.map((state) => (
        <State key={state} state={state}>
          {runs[state]} {WORDS[state]}
        </State>
      ))}
    </HStack>
  );
}
