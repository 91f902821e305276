/** The steps of a rollout in one plain line: what is behind it, where it is, what is ahead. */
import { Box, List, Text } from "@chakra-ui/react";

import type { Rollout } from "src/api/rollouts";

type Step = Rollout["steps"][number];

const COLOURS: Record<Step["where"], string> = { passed: "fg.success", skipped: "fg.warning", here: "fg", ahead: "fg.muted" };
const SAID: Record<Step["where"], string> = { passed: "passed", skipped: "skipped", here: "here", ahead: "ahead" };

export function Steps({ steps }: { steps: readonly Step[] }) {
  return (
    <List.Root as="ol" listStyle="none" aria-label="Steps" gap={1}>
      {steps.map((step, place) => (
        <List.Item key={place} fontSize="sm" display="block" aria-current={step.where === "here" ? "step" : undefined}>
          <Box as="span" fontWeight={step.where === "here" ? "bold" : undefined} color={step.where === "ahead" ? "fg.muted" : undefined} overflowWrap="anywhere">
            {place + 1}. {step.words}
          </Box>{" "}
          <Text as="span" color={COLOURS[step.where]} fontSize="xs">
            ({SAID[step.where]})
          </Text>
        </List.Item>
      ))}
    </List.Root>
  );
}
