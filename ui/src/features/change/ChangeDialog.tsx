/** Every change of what runs: the plan is shown first, a reason is asked, and what became of it is told. */
import { Alert, Box, Button, Checkbox, Field, Stack, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { apply, giveUpCommand } from "src/api/changes";
import type { Change } from "src/api/changes";
import { requestKey } from "src/api/client";
import { ApiError, rejects } from "src/api/errors";
import { keys } from "src/api/keys";
import { CommandLine } from "src/components/dialogs/CommandLine";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { ErrorState, Loading } from "src/components/states";
import { Outcomes } from "src/features/change/Outcomes";
import { useCommand } from "src/features/change/useCommand";
import { usePlan } from "src/features/change/usePlan";
import { wordsOf } from "src/features/change/words";

interface Props extends Change {
  onClose: () => void;
  /** Called after the change was made. */
  onDone?: () => void;
}

/** Mounted while it is open. */
export function ChangeDialog({ onClose, onDone, ...change }: Props) {
  const client = useQueryClient();
  const [left, setLeft] = useState<string[]>([]);
  const [reason, setReason] = useState("");
  const [rerunFailed, setRerunFailed] = useState(false);
  const [toBlame, setToBlame] = useState(true);
  const reasonField = useRef<HTMLTextAreaElement>(null);
  const [key, setKey] = useState(requestKey);
  const words = wordsOf(change.verb);
  const wanted = { ...change, dagIds: change.dagIds.filter((dagId) => !left.includes(dagId)) };
  const many = wanted.dagIds.length !== 1;
  const whom = many ? `${wanted.dagIds.length} Dags` : wanted.dagIds[0];

  const details = { reason, rerunFailed, toBlame };
  const planned = usePlan(wanted, details);
  const act = useMutation({
    onMutate: () => giveUpCommand(client),
    mutationFn: () => apply(wanted, details, planned.outcomes ?? [], key),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.fleet });
      for (const dagId of wanted.dagIds) void client.invalidateQueries({ queryKey: keys.dag(dagId) });
      onDone?.();
    },
  });

  const changing = planned.outcomes?.filter((outcome) => outcome.changed) ?? [];
  const command = useCommand(wanted, details, act.data === undefined ? planned.outcomes : undefined, act.isPending);
  const removable = (error: Error | null | undefined) => {
    const culprit = error instanceof ApiError ? error.problem.facts?.dag_id : undefined;
    return many && typeof culprit === "string" && wanted.dagIds.includes(culprit) ? culprit : undefined;
  };
  const leaveOut = (dagId: string) => setLeft([...left, dagId]);
  // What was planned is not what there is: another release was made meanwhile, or its build was rejected.
  const stale = act.error instanceof ApiError && (act.error.status === 409 || rejects(act.error));
  const { refusal } = planned;
  const lifts = refusal !== undefined || changing.some(({ lifted }) => lifted);

  return (
    <DialogFrame
      title={`${words.title} ${whom}`}
      testId="change-dialog"
      size="xl"
      onClose={onClose}
      initialFocus={reasonField}
      footer={
        <>
          {command === undefined ? undefined : <CommandLine command={command} />}
          {act.data === undefined ? (
            <>
              <Button variant="outline" onClick={onClose}>
                Cancel
              </Button>
              {stale ? (
                <Button
                  colorPalette="brand"
                  onClick={() => {
                    act.reset();
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
                  colorPalette={lifts || change.verb === "rollback" ? "danger" : "brand"}
                  loading={act.isPending}
                  disabled={changing.length === 0 || planned.fetching}
                  onClick={() => act.mutate()}
                >
                  {words.button}
                  {many ? ` ${changing.length} ${changing.length === 1 ? "Dag" : "Dags"}` : ""}
                </Button>
              )}
            </>
          ) : (
            <Button autoFocus colorPalette="brand" onClick={onClose}>
              Close
            </Button>
          )}
        </>
      }
    >
      {act.data === undefined ? (
        <Stack gap={4}>
          {refusal === undefined ? undefined : (
            <Box>
              <Rejection refusal={refusal} many={many} />
              <LeaveOut dagId={removable(refusal)} onLeave={leaveOut} />
            </Box>
          )}
          {planned.loading ? <Loading rows={2} label="Working out what would change" /> : undefined}
          {planned.error === null ? undefined : (
            <Box>
              <ErrorState error={planned.error} />
              <LeaveOut dagId={removable(planned.error)} onLeave={leaveOut} />
            </Box>
          )}
          {planned.outcomes === undefined ? undefined : (
            <>
              <Outcomes outcomes={planned.outcomes} caption="What would change" />
              <Text color="fg.muted" fontSize="sm">
                {words.stays}
              </Text>
            </>
          )}
          {left.length > 0 ? <Text fontSize="sm">Left out: {left.join(", ")}</Text> : undefined}
          {change.verb === "rollback" ? (
            <Checkbox.Root checked={toBlame} onCheckedChange={({ checked }) => setToBlame(checked === true)}>
              <Checkbox.HiddenInput />
              <Checkbox.Control />
              <Checkbox.Label>
                {many ? "These builds are to blame: they are" : "This build is to blame: it is"} rejected, and never released by {many ? "themselves" : "itself"} again
              </Checkbox.Label>
            </Checkbox.Root>
          ) : undefined}
          {change.verb === "rollback" ? (
            <Checkbox.Root checked={rerunFailed} onCheckedChange={({ checked }) => setRerunFailed(checked === true)}>
              <Checkbox.HiddenInput />
              <Checkbox.Control />
              <Checkbox.Label>Also run again, on the older build, what failed on the one rolled back</Checkbox.Label>
            </Checkbox.Root>
          ) : undefined}
          <Field.Root required={refusal !== undefined}>
            <Field.Label>
              Reason <Field.RequiredIndicator />
            </Field.Label>
            <Textarea
              ref={reasonField}
              maxLength={10_000}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
              placeholder={
                refusal === undefined
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
          <Outcomes outcomes={act.data} caption="What changed" />
        </Stack>
      )}
    </DialogFrame>
  );
}

/** Who rejected the build that would be released, when and why, and what it takes. */
function Rejection({ refusal: { problem }, many }: { refusal: ApiError; many: boolean }) {
  const { facts } = problem;
  return (
    <Alert.Root status="warning" my={2} data-testid="rejection">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>
          Build {facts?.build} {many ? `of ${facts?.dag_id} ` : ""}is rejected
        </Alert.Title>
        <Alert.Description>
          <Box>{problem.found}</Box>
          <Text>
            {many
              ? "With a reason it is released all the same, like any other rejected one of these Dags, and is no longer rejected."
              : "With a reason it is released all the same, and is no longer rejected."}
          </Text>
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

function LeaveOut({ dagId, onLeave }: { dagId: string | undefined; onLeave: (dagId: string) => void }) {
  return dagId === undefined ? undefined : (
    <Button size="sm" variant="outline" onClick={() => onLeave(dagId)}>
      Leave out {dagId}
    </Button>
  );
}
