/** What a rollout waits for, until when, and what was said of it so far; of one that has ended, how. */
import { Badge, Box, HStack, Link, Stack, Text } from "@chakra-ui/react";

import type { Rollout } from "src/api/rollouts";
import { Holds } from "src/components/Holds";
import { Time } from "src/components/time";
import { stateWords } from "src/features/rollouts/acts";

const KINDS: Record<Rollout["waits_for"]["kind"], { words: string; palette: string }> = {
  person: { words: "waits for a person", palette: "orange" },
  check: { words: "waits for a check", palette: "blue" },
  time: { words: "waits for a time", palette: "blue" },
  runs: { words: "waits for runs", palette: "blue" },
  nobody: { words: "goes on by itself", palette: "gray" },
};
/** So many of what was said are shown, the last of it. */
const SHOWN = 3;

export function Waits({ rollout }: { rollout: Rollout }) {
  const { state, slot, waits_for: waits, approvals, asked_by: askedBy, paused_by: pausedBy, why } = rollout;
  if (slot === null) {
    return (
      <Stack gap={1}>
        <Box>
          <Badge>{stateWords(state)}</Badge> <Time at={rollout.ended_at} />
        </Box>
        {why === null ? undefined : <Said>{why}</Said>}
        <Watched rollout={rollout} />
      </Stack>
    );
  }
  // What it waits for first is one of its holds: the others are told beside it.
  const others = rollout.holds.filter(({ reason }) => reason !== waits.words && !(state === "paused" && reason === why));
  return (
    <Stack gap={1}>
      <HStack gap={1} wrap="wrap">
        <Badge colorPalette={KINDS[waits.kind].palette}>{KINDS[waits.kind].words}</Badge>
        {state === "waiting" ? undefined : <Badge colorPalette={state === "paused" ? "orange" : "gray"}>{stateWords(state)}</Badge>}
      </HStack>
      <Said>
        {waits.words}
        {/* A watch says itself how long it takes. */}
        {waits.until === null || slot === "watched" ? undefined : (
          <>
            , until <Time at={waits.until} as="absolute" />
          </>
        )}
      </Said>
      <Watched rollout={rollout} />
      {approvals === null ? undefined : (
        <Said>
          {approvals.needed - approvals.missing} of {approvals.needed} {approvals.needed === 1 ? "approval" : "approvals"}
          {approvals.given.length === 0 ? "" : `: ${approvals.given.join(", ")}`}
          {approvals.why_more === null ? "" : `; ${approvals.why_more}`}
        </Said>
      )}
      {pausedBy === null ? undefined : <Said>Paused by {pausedBy}</Said>}
      {askedBy === null ? undefined : (
        <Said>
          Asked for by {askedBy} <Time at={rollout.asked_at} />
          {rollout.not_before === null ? undefined : (
            <>
              , not before <Time at={rollout.not_before} as="absolute" />
            </>
          )}
        </Said>
      )}
      <Holds holds={others} />
      <Verdicts verdicts={rollout.verdicts} />
    </Stack>
  );
}

/** What the runs of a watched release are compared with, and what becomes of it if it is worse. */
function Watched({ rollout: { watch } }: { rollout: Rollout }) {
  if (!watch) return null;
  return (
    <>
      {watch.compared_with === null ? undefined : <Said>Compared with {watch.compared_with}</Said>}
      {watch.back === null ? undefined : <Said>If it is worse: {watch.back}</Said>}
    </>
  );
}

function Verdicts({ verdicts }: Pick<Rollout, "verdicts">) {
  return verdicts.slice(-SHOWN).map(({ name, verdict, actor, at, reason, url }, place) => (
    <Said key={place}>
      {url === null ? (
        name
      ) : (
        <Link href={url} target="_blank" rel="noopener noreferrer" color="fg.info">
          {name}
        </Link>
      )}
      : {verdict}, says {actor} <Time at={at} />
      {reason === null ? "" : `: ${reason}`}
    </Said>
  ));
}

function Said({ children }: { children: React.ReactNode }) {
  return (
    <Text fontSize="sm" overflowWrap="anywhere">
      {children}
    </Text>
  );
}
