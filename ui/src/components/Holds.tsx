/** What holds a Dag besides a pin, a rejection and an era, which have places of their own on each page. */
import { Badge, Box } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";
import { Time } from "src/components/time";

type Hold = Schemas["Hold"];

const WORDS: Record<Hold["kind"], string | null> = {
  pin: null,
  rejected: null,
  era: null,
  paused: "paused",
  aborted: "aborted",
  freeze: "frozen",
  window: "window closed",
  gate: "waits for a gate",
  watch: "waits for a watch",
  queue: "in the queue",
  at: "asked for later",
  "by-hand": "released by hand",
  loosened: "policy waits",
  behind: "stands still",
};

/** A badge for each; what was said of it is its tooltip. */
export function HoldBadges({ holds }: { holds: readonly Hold[] }) {
  return holds.map(({ kind, reason }, place) =>
    WORDS[kind] === null ? undefined : (
      <Badge key={`${kind} ${place}`} colorPalette="orange" title={reason ?? undefined}>
        {WORDS[kind]}
      </Badge>
    ),
  );
}

/** One line for each, the first to be shown first. */
export function Holds({ holds }: { holds: readonly Hold[] }) {
  return (
    <>
      {holds.map((hold, place) => {
        const word = WORDS[hold.kind];
        return word === null ? undefined : (
          <Box key={`${hold.kind} ${place}`} fontSize="xs" lineClamp={2} title={hold.reason ?? undefined}>
            <Badge colorPalette="orange">{word}</Badge> {hold.reason}
            {hold.by === null ? "" : `, by ${hold.by}`}
            {hold.until === null ? undefined : (
              <>
                , until <Time at={hold.until} as="absolute" />
              </>
            )}
          </Box>
        );
      })}
    </>
  );
}
