/** The buttons of a rollout: what it takes now, and the user may do; and the dialogs behind them. */
import { Button, HStack } from "@chakra-ui/react";
import { useState } from "react";

import type { Rollout, RolloutVerb } from "src/api/rollouts";
import { ChangeDialog } from "src/features/change";
import { ActDialog } from "src/features/rollouts/ActDialog";
import { asksFor, offered, offersPromote, wordsOf } from "src/features/rollouts/acts";

export function Acts({ rollout }: { rollout: Rollout }) {
  // As it was when somebody pressed the button: that is what is decided on.
  const [acting, setActing] = useState<{ verb: RolloutVerb | "promote"; seen: Rollout }>();
  const close = () => setActing(undefined);
  const wanted = asksFor(rollout);
  return (
    <>
      <HStack gap={1} wrap="wrap" role="group" aria-label={`Acts on the rollout of ${rollout.dag_id}`} _empty={{ display: "none" }}>
        {offered(rollout).map((verb) => (
          <Button
            key={verb}
            size="xs"
            variant={verb === wanted ? "solid" : "outline"}
            colorPalette={wordsOf(verb).danger ? "danger" : verb === wanted ? "brand" : undefined}
            onClick={() => setActing({ verb, seen: rollout })}
          >
            {wordsOf(verb).button}
          </Button>
        ))}
        {offersPromote(rollout) ? (
          <Button size="xs" variant="outline" onClick={() => setActing({ verb: "promote", seen: rollout })}>
            Promote
          </Button>
        ) : undefined}
      </HStack>
      {acting === undefined ? undefined : acting.verb === "promote" ? (
        <ChangeDialog verb="promote" dagIds={[acting.seen.dag_id]} onClose={close} />
      ) : (
        <ActDialog rollout={acting.seen} verb={acting.verb} onClose={close} />
      )}
    </>
  );
}
