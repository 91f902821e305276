import { Box, HStack, Stack, Table, Text } from "@chakra-ui/react";
import { memo } from "react";

import type { Rollout } from "src/api/rollouts";
import { author } from "src/components/author";
import { DagId } from "src/components/DagId";
import { BuildLabel, Commit, PageLink } from "src/components/labels";
import { Time } from "src/components/time";
import { Acts } from "src/features/rollouts/Acts";
import type { Acting } from "src/features/rollouts/Acts";
import { Steps } from "src/features/rollouts/Steps";
import { Waits } from "src/features/rollouts/Waits";

/** Drawn anew only when something of its own changed: answers that are alike keep their objects. */
export const RolloutRow = memo(function RolloutRow({ rollout, onAct }: { rollout: Rollout; onAct: (acting: Acting) => void }) {
  const { dag_id: dagId, authors } = rollout;
  return (
    <Table.Row verticalAlign="top" data-testid={`rollout-${rollout.id}`}>
      <Table.Cell>
        <Box fontWeight="bold">
          <DagId>
            <PageLink to={`/dags/${encodeURIComponent(dagId)}/plugin/dag-releases`}>{dagId}</PageLink>
          </DagId>
        </Box>
      </Table.Cell>
      <Table.Cell>
        <Stack gap={0}>
          <HStack gap={1} wrap="wrap">
            <BuildLabel dagId={dagId} build={rollout.build} />
            <Commit version={rollout.bundle_version} />
          </HStack>
          <Text fontSize="xs" color="fg.muted" overflowWrap="anywhere">
            {authors === null ? "authors not known" : authors.length === 0 ? "" : `by ${authors.map(author).join(", ")}`}
          </Text>
          <Text fontSize="xs" color="fg.muted" overflowWrap="anywhere">
            {rollout.policy === null ? "no policy" : `policy ${rollout.policy}`}
          </Text>
        </Stack>
      </Table.Cell>
      <Table.Cell minWidth="12rem">
        <Steps steps={rollout.steps} />
      </Table.Cell>
      <Table.Cell minWidth="14rem">
        <Waits rollout={rollout} />
      </Table.Cell>
      <Table.Cell>
        <Time at={rollout.since} />
      </Table.Cell>
      <Table.Cell minWidth="10rem">
        <Acts rollout={rollout} onAct={onAct} />
      </Table.Cell>
    </Table.Row>
  );
});
