/** Every change of what runs: the plan is shown first, a reason is asked, and what became of it is told. */
import { Alert, Box, Button, Field, HStack, Stack, Text, Textarea } from "@chakra-ui/react";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { apply, giveUpCommand } from "src/api/changes";
import type { Change, Eras, Rerun } from "src/api/changes";
import { requestKey } from "src/api/client";
import { statusQuery } from "src/api/dags";
import { ApiError, hasNoEffect } from "src/api/errors";
import type { Refusing } from "src/api/errors";
import { keys } from "src/api/keys";
import { lineQuery } from "src/api/line";
import { CommandLine } from "src/components/dialogs/CommandLine";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { ErrorState, Loading } from "src/components/states";
import { useTimezone } from "src/components/time";
import { Warnings } from "src/components/Warnings";
import { ErasChoice } from "src/features/change/ErasChoice";
import { NowAndThen } from "src/features/change/NowAndThen";
import { Outcomes, RunsAgain } from "src/features/change/Outcomes";
import { isHeldBack, PromoteChoices, whenOf } from "src/features/change/PromoteChoices";
import type { When } from "src/features/change/PromoteChoices";
import { placesOf } from "src/features/change/places";
import type { Target } from "src/features/change/places";
import { Refused } from "src/features/change/Refused";
import { RollbackChoices } from "src/features/change/RollbackChoices";
import { StillRejected } from "src/features/change/StillRejected";
import { useCommand } from "src/features/change/useCommand";
import { usePlan } from "src/features/change/usePlan";
import { counted, wordsOf } from "src/features/change/words";

interface Props extends Change {
  onClose: () => void;
  /** Called after the change was made. */
  onDone?: () => void;
}

/** Mounted while it is open. */
export function ChangeDialog(props: Props) {
  const [instead, setInstead] = useState<Pick<Change, "verb" | "build">>();
  return <Asking key={instead?.verb} {...props} {...instead} onInstead={setInstead} />;
}

type AskingProps = Props & { onInstead: (instead: Pick<Change, "verb" | "build">) => void };

function Asking({ onClose, onDone, onInstead, ...change }: AskingProps) {
  const client = useQueryClient();
  const { verb, dagIds } = change;
  const [only = ""] = dagIds;
  const many = dagIds.length !== 1;
  const [target, setTarget] = useState<Target | undefined>(change.build === undefined ? undefined : { build: change.build });
  const [leavesOut, setLeavesOut] = useState(false);
  const [onPurpose, setOnPurpose] = useState(false);
  const [reason, setReason] = useState("");
  const [wish, setWish] = useState<Rerun>();
  const [toBlame, setToBlame] = useState(true);
  const [eras, setEras] = useState<Eras>();
  const [when, setWhen] = useState<When>({ text: "", now: false });
  const timezone = useTimezone();
  const reasonField = useRef<HTMLTextAreaElement>(null);
  const [key, setKey] = useState(requestKey);
  const words = wordsOf(verb);
  const rollsBack = verb === "rollback";
  const promotes = verb === "promote" && !many;
  const status = useQuery({ ...statusQuery(only), enabled: !many && verb !== "pin" });
  const line = useInfiniteQuery({ ...lineQuery(only), enabled: !many && verb !== "pin" });
  const pages = line.data?.pages ?? [];
  // What failed is run again, where somebody may: that is what a rollback is for. Of many Dags only when asked to.
  const rerun = wish ?? (rollsBack && !many && pages[0]?.may.edit_runs ? "failed" : "no");
  const { at, wrong } = whenOf(when, timezone);
  const now = promotes && when.now;
  const details = { reason, rerun, toBlame, eras, at: now ? undefined : at, now };
  // Of a rollback what is chosen here says where to, and nothing where it is the way back.
  const wanted = rollsBack ? { ...change, build: undefined, ...target } : { ...change, ...target };
  const planned = usePlan(wanted, details, onPurpose);
  const { plan, rejections } = planned;
  const refused = plan?.refused ?? [];
  const leftOut = leavesOut ? refused.map(({ dag_id: dagId }) => dagId) : [];
  const act = useMutation({
    onMutate: () => giveUpCommand(client),
    mutationFn: () => apply(wanted, details, plan ?? { outcomes: [], refused: [] }, leftOut, key),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.fleet });
      for (const dagId of dagIds) void client.invalidateQueries({ queryKey: keys.dag(dagId) });
      onDone?.();
    },
  });
  // As it was before the change: what is asked again afterwards tells of the change already.
  const [before, setBefore] = useState<{ pages: typeof pages; now: string | null }>();
  const version = status.data?.bundle_version ?? null;
  const seen = before ?? { pages, now: version };

  const changing = plan?.outcomes.filter((outcome) => outcome.changed) ?? [];
  const command = useCommand(wanted, details, act.data === undefined ? plan?.outcomes : undefined, act.isPending);
  // What was planned is not what there is: another release was made meanwhile, or a Dag can not take it any more.
  const stale = act.error instanceof ApiError && [403, 404, 409].includes(act.error.status);
  const lifts = rejections.length > 0 || changing.some(({ lifted }) => lifted);
  const blocked = refused.length > 0 && !leavesOut;
  const heldBack = now || isHeldBack(status.data) || (planned.error instanceof ApiError && planned.error.problem.facts?.problem === "rule-closed");
  const underEra = eras !== undefined || refused.some(hasNoEffect) || (planned.error instanceof ApiError && hasNoEffect(planned.error.problem));

  return (
    <DialogFrame
      title={`${words.title} ${many ? `${dagIds.length} Dags` : only}`}
      testId="change-dialog"
      size="xl"
      onClose={onClose}
      initialFocus={reasonField}
      footer={
        // In the order of the keyboard: what is done comes right after the reason, and stands at the right.
        <HStack width="full" flexDirection="row-reverse" gap={3}>
          {act.data === undefined ? (
            <>
              {stale ? (
                <Button
                  colorPalette="brand"
                  onClick={() => {
                    act.reset();
                    setLeavesOut(false);
                    setOnPurpose(false);
                    // Another plan is another request.
                    setKey(requestKey());
                    planned.again();
                  }}
                >
                  Look again
                </Button>
              ) : (
                <Button
                  variant={lifts ? "outline" : "solid"}
                  colorPalette={lifts || rollsBack || now ? "danger" : "brand"}
                  loading={act.isPending}
                  // What is run again depends on the line: no plan counts before it is there.
                  disabled={changing.length === 0 || planned.fetching || blocked || (wrong && !now) || (rollsBack && line.isLoading)}
                  onClick={() => {
                    setBefore({ pages, now: version });
                    act.mutate();
                  }}
                >
                  {now ? "Release now" : words.button}
                  {many ? ` ${counted(changing.length, "Dag")}` : ""}
                </Button>
              )}
              <Button variant="outline" onClick={onClose}>
                Cancel
              </Button>
            </>
          ) : (
            <Button autoFocus colorPalette="brand" onClick={onClose}>
              Close
            </Button>
          )}
          {command === undefined ? undefined : <CommandLine command={command} />}
        </HStack>
      }
    >
      {act.data === undefined ? (
        <Stack gap={4}>
          {rejections.length === 0 || many ? undefined : <Rejection refusing={rejections[0] ?? {}} />}
          {planned.loading ? <Loading rows={2} label="Working out what would change" /> : undefined}
          {planned.error === null ? undefined : <ErrorState error={planned.error} />}
          <Refused
            refused={refused}
            leftOut={leavesOut}
            onLeaveOut={() => setLeavesOut(true)}
            onRelease={onPurpose ? undefined : () => setOnPurpose(true)}
          />
          {many && rejections.length > 0 ? (
            <Text fontSize="sm">With a reason the rejected builds are released all the same, and are no longer rejected.</Text>
          ) : undefined}
          {verb === "unpin" && !many ? (
            <StillRejected status={status.data} pages={pages} onRelease={(build) => onInstead({ verb: "promote", build })} />
          ) : undefined}
          {plan === undefined || plan.outcomes.length === 0 ? undefined : (
            <>
              {rollsBack && !many ? (
                plan.outcomes.map((outcome) => (
                  <Stack key={outcome.dag_id} gap={2}>
                    <NowAndThen outcome={outcome} pages={pages} now={version} />
                    <Text fontSize="sm">{outcome.message}</Text>
                    <Warnings warnings={outcome.warnings} />
                  </Stack>
                ))
              ) : (
                <Outcomes outcomes={plan.outcomes} caption="What would change" />
              )}
              <Text color="fg.muted" fontSize="sm">
                {words.stays}
              </Text>
            </>
          )}
          {rollsBack && underEra ? <ErasChoice many={many} choice={eras} onChoose={setEras} /> : undefined}
          {rollsBack ? (
            <RollbackChoices
              many={many}
              outcomes={plan?.outcomes ?? []}
              places={placesOf(pages, status.data?.active_build ?? null, version)}
              wayBack={pages[0]?.way_back ?? null}
              target={target}
              onTarget={setTarget}
              toBlame={toBlame}
              onBlame={setToBlame}
              rerun={rerun}
              onRerun={setWish}
            />
          ) : undefined}
          {promotes ? (
            <PromoteChoices when={when} onWhen={setWhen} timezone={timezone} wrong={wrong} past={heldBack && pages[0]?.may.override === true} />
          ) : undefined}
          <Field.Root required={rejections.length > 0 || now}>
            <Field.Label>
              Reason <Field.RequiredIndicator />
            </Field.Label>
            <Textarea
              ref={reasonField}
              maxLength={10_000}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
              placeholder={
                rejections.length === 0
                  ? "Why? It is kept with the release and in the audit log."
                  : "Why is it right after all? It is kept with the release and in the audit log."
              }
            />
          </Field.Root>
          {act.error === null ? undefined : <ErrorState error={act.error} />}
        </Stack>
      ) : (
        <Stack gap={4}>
          <Success>Done</Success>
          {rollsBack && !many ? (
            act.data.map((outcome) => (
              <Stack key={outcome.dag_id} gap={2}>
                <NowAndThen outcome={outcome} pages={seen.pages} now={seen.now} done />
                <Text fontSize="sm">What happened: {outcome.message}</Text>
                <Warnings warnings={outcome.warnings} />
                <RunsAgain outcome={outcome} done />
              </Stack>
            ))
          ) : (
            <Outcomes outcomes={act.data} caption="What changed" done />
          )}
          {leftOut.length > 0 ? <Refused refused={refused} leftOut /> : undefined}
        </Stack>
      )}
    </DialogFrame>
  );
}

/** Who rejected the build that would be released, when and why, and what it takes. */
function Rejection({ refusing: { facts, found } }: { refusing: Refusing }) {
  return (
    <Alert.Root status="warning" my={2} data-testid="rejection">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>Build {facts?.build} is rejected</Alert.Title>
        <Alert.Description>
          <Box>{found}</Box>
          <Text>With a reason it is released all the same, and is no longer rejected.</Text>
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}
