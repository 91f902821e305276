/** An act on a rollout: what would happen is shown first, a reason is asked, and what became of it is told. */
import { Button, Field, HStack, Stack, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { requestKey } from "src/api/client";
import { ApiError } from "src/api/errors";
import { keys } from "src/api/keys";
import { actOnRollout, actPlanQuery, rolloutQuery } from "src/api/rollouts";
import type { Rollout, RolloutActed, RolloutVerb } from "src/api/rollouts";
import { CommandLine } from "src/components/dialogs/CommandLine";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { BuildLabel, Commit } from "src/components/labels";
import { ErrorState, Loading } from "src/components/states";
import { useCalm } from "src/components/useCalm";
import { stateWords, wordsOf } from "src/features/rollouts/acts";

interface Props {
  rollout: Rollout;
  verb: RolloutVerb;
  onClose: () => void;
}

/** Mounted while it is open. */
export function ActDialog({ rollout, verb, onClose }: Props) {
  const client = useQueryClient();
  // Who acts decided by what was seen: of one that has moved since, somebody has to look again.
  const [seen, setSeen] = useState(rollout);
  const [reason, setReason] = useState("");
  const [key, setKey] = useState(requestKey);
  const reasonField = useRef<HTMLTextAreaElement>(null);
  const words = wordsOf(verb, rollout.slot);
  const given = reason.trim();
  const calm = useCalm(given);
  const act = useMutation({
    mutationFn: () => actOnRollout(seen, verb, given, { plan: false, key }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.fleet });
      void client.invalidateQueries({ queryKey: keys.dag(seen.dag_id) });
    },
  });
  const again = useMutation({
    mutationFn: () => client.fetchQuery(rolloutQuery(seen.id)),
    onSuccess: (now) => {
      setSeen(now);
      // Another plan is another request.
      setKey(requestKey());
      act.reset();
    },
  });
  const lacking = words.reasoned && given === "";
  const planned = useQuery({
    ...actPlanQuery(seen, verb, calm),
    enabled: !(words.reasoned && calm === "") && act.data === undefined && !act.isPending,
  });
  const plan = planned.error === null && !lacking ? planned.data : undefined;
  const error = act.error ?? planned.error;
  const stale = error instanceof ApiError && error.status === 409;

  return (
    <DialogFrame
      title={`${words.title} ${seen.dag_id}`}
      testId="act-dialog"
      size="lg"
      onClose={onClose}
      initialFocus={reasonField}
      footer={
        <HStack width="full" flexDirection="row-reverse" gap={3}>
          {act.data !== undefined ? (
            <Button autoFocus colorPalette="brand" onClick={onClose}>
              Close
            </Button>
          ) : (
            <>
              {stale ? (
                <Button colorPalette="brand" loading={again.isPending} onClick={() => again.mutate()}>
                  Look again
                </Button>
              ) : (
                <Button
                  colorPalette={words.danger ? "danger" : "brand"}
                  loading={act.isPending}
                  disabled={lacking || plan === undefined || !plan.changed}
                  onClick={() => act.mutate()}
                >
                  {words.button}
                </Button>
              )}
              <Button variant="outline" onClick={onClose}>
                Cancel
              </Button>
            </>
          )}
          {plan === undefined || act.data !== undefined ? undefined : <CommandLine command={plan.command} />}
        </HStack>
      }
    >
      {act.data === undefined ? (
        <Stack gap={4}>
          <HStack gap={2} wrap="wrap">
            <BuildLabel build={seen.build} dagId={seen.dag_id} />
            <Commit version={seen.bundle_version} />
            <Text>
              {stateWords(seen.state)}: {seen.waits_for.words}
            </Text>
          </HStack>
          <Text color="fg.muted" fontSize="sm">
            {words.means}
          </Text>
          {planned.isLoading ? <Loading rows={2} label="Working out what would happen" /> : undefined}
          {lacking ? <Text>What happens is shown as soon as there is a reason.</Text> : undefined}
          {plan === undefined ? undefined : <Happens acted={plan} />}
          <Field.Root required={words.reasoned}>
            <Field.Label>
              Reason <Field.RequiredIndicator />
            </Field.Label>
            <Textarea
              ref={reasonField}
              maxLength={10_000}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
              placeholder="Why? It is kept with the event."
            />
          </Field.Root>
          {error === null ? undefined : <ErrorState error={error} />}
        </Stack>
      ) : (
        <Stack gap={4}>
          <Success>{act.data.changed ? words.done : "Nothing changed"}</Success>
          <Happens acted={act.data} done />
        </Stack>
      )}
    </DialogFrame>
  );
}

/** What it does, and how the rollout stands then. */
function Happens({ acted: { message, changed, rollout }, done = false }: { acted: RolloutActed; done?: boolean }) {
  return (
    <Stack gap={1} data-testid="act-plan">
      <Text overflowWrap="anywhere">
        {!changed ? "Nothing changes" : done ? "What happened" : "What happens"}: {message}
      </Text>
      {rollout === null ? undefined : (
        <Text fontSize="sm" color="fg.muted" overflowWrap="anywhere">
          {done ? "Now" : "Then"} the rollout {rollout.slot === null ? "has ended" : `is ${stateWords(rollout.state)}`}: {rollout.waits_for.words}
        </Text>
      )}
    </Stack>
  );
}
