/** The buttons of a rollout: what it takes now, and the user may do; and the dialogs behind them. */
import { Button, HStack } from "@chakra-ui/react";

import type { Rollout, RolloutVerb } from "src/api/rollouts";
import { ChangeDialog } from "src/features/change";
import { ActDialog } from "src/features/rollouts/ActDialog";
import { asksFor, offered, offersPromote, offersRollback, wordsOf } from "src/features/rollouts/acts";

/** What somebody is about to do, with the rollout as it was when the button was pressed: that is what is decided on. */
export interface Acting {
  verb: RolloutVerb | "promote" | "rollback";
  rollout: Rollout;
}

export function Acts({ rollout, onAct }: { rollout: Rollout; onAct: (acting: Acting) => void }) {
  const wanted = asksFor(rollout);
  return (
    <HStack gap={1} wrap="wrap" role="group" aria-label={`Acts on the rollout of ${rollout.dag_id}`} _empty={{ display: "none" }}>
      {offered(rollout).map((verb) => (
        <Button
          key={verb}
          size="xs"
          variant={verb === wanted ? "solid" : "outline"}
          colorPalette={wordsOf(verb, rollout.slot).danger ? "danger" : verb === wanted ? "brand" : undefined}
          onClick={() => onAct({ verb, rollout })}
        >
          {wordsOf(verb, rollout.slot).button}
        </Button>
      ))}
      {offersPromote(rollout) ? (
        <Button size="xs" variant="outline" onClick={() => onAct({ verb: "promote", rollout })}>
          Promote
        </Button>
      ) : undefined}
      {offersRollback(rollout) ? (
        <Button size="xs" variant="outline" colorPalette="danger" onClick={() => onAct({ verb: "rollback", rollout })}>
          Roll back…
        </Button>
      ) : undefined}
    </HStack>
  );
}

/** Stands beside what lists the rollouts, never in it: what was acted on may leave the list while its dialog tells so. */
export function ActingDialog({ acting, onClose }: { acting: Acting | undefined; onClose: () => void }) {
  if (acting === undefined) return null;
  const { verb, rollout } = acting;
  return verb === "promote" || verb === "rollback" ? (
    <ChangeDialog verb={verb} dagIds={[rollout.dag_id]} onClose={onClose} />
  ) : (
    <ActDialog rollout={rollout} verb={verb} onClose={onClose} />
  );
}
