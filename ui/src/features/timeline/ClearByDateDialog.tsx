/** Run again what does not match, each run on the build of its date: shown first, then done, oldest first. */
import { Button, Field, Stack, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { requestKey } from "src/api/client";
import { keys } from "src/api/keys";
import { clearByDate, clearByDatePlanQuery } from "src/api/timeline";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { Warnings } from "src/components/Warnings";
import { ErrorState, Loading } from "src/components/states";
import { Runs } from "src/features/timeline/Differing";
import { counted } from "src/features/timeline/words";

interface Props {
  dagId: string;
  zone: string;
  onClose: () => void;
}

/** Mounted while it is open. */
export function ClearByDateDialog({ dagId, zone, onClose }: Props) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const [key] = useState(requestKey);
  const planned = useQuery(clearByDatePlanQuery(dagId));
  const clear = useMutation({
    mutationFn: () => clearByDate(dagId, { reason: reason.trim() === "" ? null : reason.trim(), plan: false, key }),
    // Also after a failure: 20 runs at once are cleared, and those before it are.
    onSettled: () => void client.invalidateQueries({ queryKey: keys.dag(dagId) }),
  });
  const done = clear.data;
  const shown = done ?? planned.data;
  const number = planned.data?.runs.length ?? 0;
  return (
    <DialogFrame
      title={`Clear what does not match of ${dagId}`}
      testId="clear-by-date-dialog"
      size="lg"
      onClose={onClose}
      footer={
        <>
          <Button variant="outline" onClick={onClose}>
            {done === undefined ? "Cancel" : "Close"}
          </Button>
          {done === undefined ? (
            <Button colorPalette="brand" loading={clear.isPending} disabled={number === 0 || planned.isFetching} onClick={() => clear.mutate()}>
              {clear.error === null ? `Clear ${counted(number, "run")}` : "Go on"}
            </Button>
          ) : undefined}
        </>
      }
    >
      <Stack gap={4}>
        {planned.isLoading ? <Loading rows={3} label="Working out what would run" /> : undefined}
        {planned.error === null ? undefined : <ErrorState error={planned.error} />}
        {done === undefined ? undefined : (
          <Success>
            {counted(done.runs.length, "run")} with {counted(done.instances, "task instance")} {done.runs.length === 1 ? "runs" : "run"} again, each on the build of its
            date
          </Success>
        )}
        {shown === undefined ? undefined : (
          <>
            {done === undefined ? (
              <Text>
                {number === 0
                  ? "Nothing is there to clear."
                  : `${counted(number, "run")} with ${counted(shown.instances, "task instance")} would run again, oldest date first, each on the build of its date.`}
              </Text>
            ) : undefined}
            {shown.running.length === 0 ? undefined : (
              <Text fontSize="sm" overflowWrap="anywhere">
                Left, since they run now: {shown.running.join(", ")}
              </Text>
            )}
            <Warnings warnings={shown.warnings} />
            {done === undefined && shown.runs.length > 0 ? <Runs dagId={dagId} zone={zone} runs={shown.runs} /> : undefined}
          </>
        )}
        {done === undefined ? (
          <Field.Root>
            <Field.Label>Reason</Field.Label>
            <Textarea
              maxLength={10_000}
              value={reason}
              // What was cut off goes on under the same key, and that stands for this reason.
              disabled={clear.error !== null}
              onChange={(event) => setReason(event.target.value)}
              placeholder="Why? It is kept in the events and in the audit log."
            />
          </Field.Root>
        ) : undefined}
        {clear.error === null ? undefined : <ErrorState error={clear.error} />}
      </Stack>
    </DialogFrame>
  );
}
