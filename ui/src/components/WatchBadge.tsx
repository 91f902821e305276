/** That the active release of a Dag is under watch; of one whose watch is paused, that somebody has to go on. */
import { Badge } from "@chakra-ui/react";

import type { Schemas } from "src/api/schemas";

type Watch = Schemas["UnderWatch"];

export function WatchBadge({ watch }: { watch: Watch | null | undefined }) {
  if (watch === null || watch === undefined) return null;
  const paused = watch.state === "paused";
  return (
    <Badge colorPalette={paused ? "orange" : "blue"} title={watch.words}>
      {paused ? "watch paused" : "watched"}
    </Badge>
  );
}

/** "3 of 5 runs ended well; goes back to build 7 at 1a2b3c4d". */
export function watchWords({ words, back, state }: Watch): string {
  return state === "paused" || back === null ? words : `${words}; if it is worse: ${back}`;
}
