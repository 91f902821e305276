/** Every change of what runs: the plan is shown first, a reason is asked, and what became of it is told. */
import { Box, Button, Checkbox, Field, Stack, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { ApiError } from "src/api/client";
import { keys } from "src/api/queries";
import { CommandLine } from "src/components/dialogs/CommandLine";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { Outcomes } from "src/components/dialogs/Outcomes";
import { apply, plan, requestKey, wordsOf } from "src/components/dialogs/change";
import type { Change } from "src/components/dialogs/change";
import { giveUpCommand, useCommand } from "src/components/dialogs/useCommand";
import { ErrorState, Loading } from "src/components/states";

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
  const reasonField = useRef<HTMLTextAreaElement>(null);
  const [key, setKey] = useState(requestKey);
  const words = wordsOf(change.verb);
  const wanted = { ...change, dagIds: change.dagIds.filter((dagId) => !left.includes(dagId)) };
  const many = wanted.dagIds.length !== 1;
  const whom = many ? `${wanted.dagIds.length} Dags` : wanted.dagIds[0];

  const planned = useQuery({
    queryKey: [...keys.all, "plan", wanted, rerunFailed],
    queryFn: () => plan(wanted, { reason: "", rerunFailed }),
    gcTime: 0,
    staleTime: Infinity,
    refetchOnWindowFocus: false,
    enabled: wanted.dagIds.length > 0,
  });
  const act = useMutation({
    onMutate: () => giveUpCommand(client),
    mutationFn: () => apply(wanted, { reason, rerunFailed }, planned.data ?? [], key),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.fleet });
      for (const dagId of wanted.dagIds) void client.invalidateQueries({ queryKey: keys.dag(dagId) });
      onDone?.();
    },
  });

  const changing = planned.data?.filter((outcome) => outcome.changed) ?? [];
  const command = useCommand(wanted, { reason, rerunFailed }, act.data === undefined ? planned.data : undefined, act.isPending);
  const culprit = planned.error instanceof ApiError ? planned.error.problem.facts?.["dag_id"] : undefined;
  const removable = many && typeof culprit === "string" && wanted.dagIds.includes(culprit) ? culprit : undefined;
  const stale = act.error instanceof ApiError && act.error.status === 409;

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
                    void planned.refetch();
                  }}
                >
                  Look again
                </Button>
              ) : (
                <Button
                  colorPalette={change.verb === "rollback" ? "danger" : "brand"}
                  loading={act.isPending}
                  disabled={changing.length === 0 || planned.isFetching}
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
          {planned.isLoading ? <Loading rows={2} label="Working out what would change" /> : undefined}
          {planned.error === null ? undefined : (
            <Box>
              <ErrorState error={planned.error} />
              {removable === undefined ? undefined : (
                <Button size="sm" variant="outline" onClick={() => setLeft([...left, removable])}>
                  Leave out {removable}
                </Button>
              )}
            </Box>
          )}
          {planned.data === undefined ? undefined : (
            <>
              <Outcomes outcomes={planned.data} caption="What would change" />
              <Text color="fg.muted" fontSize="sm">
                {words.stays}
              </Text>
            </>
          )}
          {left.length > 0 ? <Text fontSize="sm">Left out: {left.join(", ")}</Text> : undefined}
          {change.verb === "rollback" ? (
            <Checkbox.Root checked={rerunFailed} onCheckedChange={({ checked }) => setRerunFailed(checked === true)}>
              <Checkbox.HiddenInput />
              <Checkbox.Control />
              <Checkbox.Label>Also run again, on the older build, what failed on the one rolled back</Checkbox.Label>
            </Checkbox.Root>
          ) : undefined}
          <Field.Root>
            <Field.Label>Reason</Field.Label>
            <Textarea
              ref={reasonField}
              maxLength={10_000}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
              placeholder="Why? It is kept with the release and in the audit log."
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
