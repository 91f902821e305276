import { HStack, Text } from "@chakra-ui/react";

import { State } from "src/components/labels";

const WORDS: Record<string, string> = { success: "success", failed: "failed", running: "running", queued: "queued" };

interface Props {
  runs: Record<string, number>;
  none?: string;
  /** How many of those that failed were run again on which other release. */
  again?: Record<string, number>;
}

/** How many runs came to what; in Airflow's colours. What failed stays counted when it was run again elsewhere. */
export function RunCounts({ runs, none, again = {} }: Props) {
  const shown = Object.keys(WORDS).filter((state) => (runs[state] ?? 0) > 0);
  if (shown.length === 0) {
    return none === undefined ? null : (
      <Text fontSize="sm" color="fg.muted">
        {none}
      </Text>
    );
  }
  const failed = runs["failed"] ?? 0;
  return (
    <HStack gap={1} wrap="wrap">
      {shown.map((state) => (
        <State key={state} state={state}>
          {runs[state]} {WORDS[state]}
        </State>
      ))}
      {Object.entries(failed > 0 ? again : {}).map(([release, number]) => (
        <Text key={release} as="span" fontSize="xs" color="fg.muted">
          {number < failed ? `${number} of them ` : ""}re-run on release {release}
        </Text>
      ))}
    </HStack>
  );
}
