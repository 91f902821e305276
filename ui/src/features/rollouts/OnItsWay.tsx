/** What of a Dag is on its way: how far, what it waits for, and what to do about it. */
import { HStack, Spacer, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { dagRolloutsQuery } from "src/api/rollouts";
import type { Rollout } from "src/api/rollouts";
import { BuildLabel, Commit, PageLink } from "src/components/labels";
import { ActingDialog, Acts } from "src/features/rollouts/Acts";
import type { Acting } from "src/features/rollouts/Acts";
import { Steps } from "src/features/rollouts/Steps";
import { Waits } from "src/features/rollouts/Waits";

/** Nothing where nothing is. */
export function OnItsWay({ dagId }: { dagId: string }) {
  const { data: rollouts = [] } = useQuery(dagRolloutsQuery(dagId));
  const [acting, setActing] = useState<Acting>();
  return (
    <>
      {rollouts.length === 0 ? undefined : <Listed rollouts={rollouts} onAct={setActing} />}
      <ActingDialog acting={acting} onClose={() => setActing(undefined)} />
    </>
  );
}

function Listed({ rollouts, onAct }: { rollouts: Rollout[]; onAct: (acting: Acting) => void }) {
  return (
    <Stack gap={2} role="region" aria-label="What is on its way">
      {rollouts.map((rollout) => (
        <HStack key={rollout.id} align="flex-start" gap={6} wrap="wrap" borderWidth="1px" borderRadius="md" p={3} data-testid={`on-its-way-${rollout.id}`}>
          <Stack gap={1}>
            <HStack gap={2} wrap="wrap">
              <Text fontWeight="bold">
                <BuildLabel build={rollout.build} />
              </Text>
              <Commit version={rollout.bundle_version} />
              <Text>{rollout.slot === "watched" ? "is watched" : "is on its way"}</Text>
            </HStack>
            <Text fontSize="sm" color="fg.muted">
              {rollout.policy === null ? "By no policy" : `By policy ${rollout.policy}`} ·{" "}
              <PageLink to={`/plugin/releases?view=rollouts&dag=${encodeURIComponent(rollout.dag_id)}`}>Rollouts</PageLink>
            </Text>
          </Stack>
          <Steps steps={rollout.steps} />
          <Waits rollout={rollout} />
          <Spacer />
          <Acts rollout={rollout} onAct={onAct} />
        </HStack>
      ))}
    </Stack>
  );
}
