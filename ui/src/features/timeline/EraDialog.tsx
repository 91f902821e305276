/** Say which build data of some dates is for, or that none is: the plan is shown first, and a reason is asked. */
import { Button, Checkbox, Field, HStack, Input, NativeSelect, SimpleGrid, Stack, Text, Textarea } from "@chakra-ui/react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { buildsQuery } from "src/api/builds";
import { requestKey } from "src/api/client";
import { ApiError, rejects } from "src/api/errors";
import { keys } from "src/api/keys";
import { changeTimeline, timelinePlanQuery } from "src/api/timeline";
import type { EraChange, Stretch, Timeline, TimelineChange } from "src/api/timeline";
import { dateWords } from "src/components/dates";
import { DialogFrame, Success } from "src/components/dialogs/DialogFrame";
import { subject } from "src/components/released";
import { ErrorState, Loading } from "src/components/states";
import { useCalm } from "src/components/useCalm";
import { Warnings } from "src/components/Warnings";
import { counted, differWords, spanWords } from "src/features/timeline/words";

export interface Wish {
  verb: "set" | "unset";
  from: string | null;
  until: string | null;
  build?: number;
  /** The era that is to be another one, dates and all; without: dates are taken from whatever has them. */
  replaces?: Pick<Stretch, "starts_at" | "ends_at">;
}

interface Props {
  dagId: string;
  timeline: Timeline;
  wish: Wish;
  onClose: () => void;
}

/** Refusals that somebody may overrule, by the problem's name. */
const OVERRULED = {
  "does-not-import": { flag: "force", label: "Set it all the same: its file can be imported where its runs are" },
  "not-checked": { flag: "unchecked", label: "Set it unchecked: nobody looked whether its file can still be imported" },
} as const;

/** Mounted while it is open. */
export function EraDialog({ dagId, timeline, wish, onClose }: Props) {
  const client = useQueryClient();
  const { verb } = wish;
  const sets = verb === "set";
  const [from, setFrom] = useState(wish.from ?? "");
  const [until, setUntil] = useState(wish.until ?? "");
  const [build, setBuild] = useState(wish.build);
  const [reason, setReason] = useState("");
  const [flags, setFlags] = useState({ force: false, unchecked: false });
  // What was seen when it was opened: who changed it since is told to look again.
  const [expectedRevision, setExpected] = useState(timeline.revision);
  const [key, setKey] = useState(requestKey);
  const builds = useQuery({ ...buildsQuery(dagId), enabled: sets });

  const change: EraChange = {
    ...(wish.replaces === undefined ? { verb, expectedRevision } : { verb: "put", others: besides(timeline, wish.replaces), expectedRevision: timeline.revision }),
    from: written(from),
    until: written(until),
    build,
    reason: null,
    ...flags,
  };
  const asked = useCalm(JSON.stringify(change));
  const calmReason = useCalm(reason.trim());
  const calm = asked === JSON.stringify(change);
  const ready = !sets || build !== undefined;
  const act = useMutation({
    mutationFn: () => changeTimeline(dagId, { ...change, reason: written(reason) }, { plan: false, key }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keys.fleet });
      void client.invalidateQueries({ queryKey: keys.dag(dagId) });
    },
  });
  // Nothing is asked that is no longer what stands there.
  const open = ready && calm && act.data === undefined && !act.isPending;
  const plain = useQuery({ ...timelinePlanQuery(dagId, JSON.parse(asked) as EraChange), enabled: open });
  // Of a rejected build there is a plan as soon as there is a reason.
  const rejected = rejects(plain.error);
  const justified = useQuery({
    ...timelinePlanQuery(dagId, { ...(JSON.parse(asked) as EraChange), reason: calmReason }),
    enabled: open && rejected && calmReason !== "",
  });
  const planned = rejected && reason.trim() !== "" ? justified : plain;
  const plan = planned.error === null ? planned.data : undefined;
  const problem = act.error instanceof ApiError ? act.error : planned.error instanceof ApiError ? planned.error : undefined;
  const overrule = overruledBy(problem?.problem.facts?.problem, flags);
  const stale = [plain.error, act.error].some((error) => error instanceof ApiError && error.status === 409);

  return (
    <DialogFrame
      title={sets ? `Set an era of ${dagId}` : `Unset eras of ${dagId}`}
      testId="era-dialog"
      size="lg"
      onClose={onClose}
      footer={
        <HStack width="full" flexDirection="row-reverse" gap={3}>
          {act.data !== undefined ? undefined : stale ? (
            <Button
              colorPalette="brand"
              onClick={() => {
                act.reset();
                // Another plan is another request.
                setKey(requestKey());
                void client.invalidateQueries({ queryKey: keys.dag(dagId) });
                setExpected(newest(problem) ?? timeline.revision);
              }}
            >
              Look again
            </Button>
          ) : (
            <Button
              colorPalette={sets ? "brand" : "danger"}
              loading={act.isPending}
              disabled={!ready || !calm || planned.isFetching || plan?.changed !== true}
              onClick={() => act.mutate()}
            >
              {sets ? "Set era" : "Unset"}
            </Button>
          )}
          <Button variant="outline" onClick={onClose}>
            {act.data === undefined ? "Cancel" : "Close"}
          </Button>
        </HStack>
      }
    >
      {act.data === undefined ? (
        <Stack gap={4}>
          <Text color="fg.muted" fontSize="sm">
            {sets
              ? "Runs with data of these dates execute this build, whatever is active. It does not follow to newer commits."
              : "Runs with data of these dates execute the active release again."}{" "}
            Runs that began are not touched.
          </Text>
          <SimpleGrid columns={{ base: 1, md: 2 }} gap={3}>
            <Field.Root>
              <Field.Label>From</Field.Label>
              <Input value={from} maxLength={50} placeholder="no beginning" onChange={(event) => setFrom(event.target.value)} />
              <Field.HelperText>The first moment in it, by {dateWords(timeline.dated_by)}: 2019, 2019-05, 2019-05-01 or 2019-05-01T06:30.</Field.HelperText>
            </Field.Root>
            <Field.Root>
              <Field.Label>Until</Field.Label>
              <Input value={until} maxLength={50} placeholder="no end" onChange={(event) => setUntil(event.target.value)} />
              <Field.HelperText>The first moment after it. In {timeline.zone}.</Field.HelperText>
            </Field.Root>
          </SimpleGrid>
          {sets ? (
            <Field.Root>
              <Field.Label>Build</Field.Label>
              <NativeSelect.Root size="sm">
                <NativeSelect.Field value={build ?? ""} onChange={(event) => setBuild(Number(event.currentTarget.value) || undefined)}>
                  <option value="">Choose a build</option>
                  {build !== undefined && builds.data?.builds.every((one) => one.build !== build) ? <option value={build}>Build {build}</option> : undefined}
                  {(builds.data?.builds ?? [])
                    .filter((one) => one.build !== null)
                    .map((one) => (
                      <option key={one.build} value={one.build ?? ""}>
                        Build {one.build} {one.label ?? ""} {one.bundle_version?.slice(0, 8)} {subject(one.message)}
                        {one.rejected === null ? "" : " (rejected)"}
                      </option>
                    ))}
                </NativeSelect.Field>
                <NativeSelect.Indicator />
              </NativeSelect.Root>
              <Field.HelperText>At the newest commit in which it stood.</Field.HelperText>
            </Field.Root>
          ) : undefined}
          {ready && planned.isLoading ? <Loading rows={2} label="Working out what would change, and whether the build can run" /> : undefined}
          {planned.error === null || act.error !== null ? undefined : <ErrorState error={planned.error} />}
          {plan === undefined || !calm ? undefined : <Planned plan={plan} />}
          {overrule === undefined ? undefined : (
            <Checkbox.Root
              checked={flags[overrule.flag]}
              onCheckedChange={({ checked }) => {
                act.reset();
                setFlags({ ...flags, [overrule.flag]: checked === true });
              }}
            >
              <Checkbox.HiddenInput />
              <Checkbox.Control />
              <Checkbox.Label>{overrule.label}</Checkbox.Label>
            </Checkbox.Root>
          )}
          <Field.Root required={rejected}>
            <Field.Label>
              Reason <Field.RequiredIndicator />
            </Field.Label>
            <Textarea
              maxLength={10_000}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
              placeholder={rejected ? "Why is it right for these dates after all?" : "Why? It is kept with the revision and in the audit log."}
            />
          </Field.Root>
          {act.error === null ? undefined : <ErrorState error={act.error} />}
        </Stack>
      ) : (
        <Stack gap={4}>
          <Success>{act.data.changed ? `Revision ${act.data.revision} is the timeline now` : act.data.message}</Success>
          <Planned plan={act.data} done />
        </Stack>
      )}
    </DialogFrame>
  );
}

/** The other eras, as they are: of a timeline that changed since there is another plan. */
function besides({ stretches }: Timeline, era: Pick<Stretch, "starts_at" | "ends_at">) {
  return stretches
    .filter((one) => !one.gap && (one.starts_at !== era.starts_at || one.ends_at !== era.ends_at))
    .map(({ from, until, build }) => ({ from, until, build: build ?? undefined }));
}

function written(text: string): string | null {
  return text.trim() === "" ? null : text.trim();
}

function overruledBy(problem: string | null | undefined, flags: { force: boolean; unchecked: boolean }) {
  const known = Object.entries(OVERRULED).find(([name, { flag }]) => name === problem || flags[flag]);
  return known?.[1];
}

/** The newest revision, by who said that it is another than the one that was seen. */
function newest(problem: ApiError | undefined): number | undefined {
  return problem?.problem.facts?.active_revision ?? undefined;
}

/** What changes, and which runs it is about. */
function Planned({ plan, done = false }: { plan: TimelineChange; done?: boolean }) {
  const { changes, runs, differ, queued, warnings } = plan;
  return (
    <Stack gap={2} data-testid="era-plan">
      {plan.changed || done ? undefined : <Text>Nothing changes: {plan.message}.</Text>}
      {changes.map((change) => (
        <Text key={`${change.starts_at}`} overflowWrap="anywhere">
          <b>{spanWords({ from: change.from, until: change.until })}</b>: {placeWords(change.from_build)} → {placeWords(change.to_build)}
          {change.bundle_version === null || change.to_build === null ? "" : ` at ${change.bundle_version.slice(0, 8)}`}
        </Text>
      ))}
      {changes.length === 0 || runs === null ? undefined : (
        <Text fontSize="sm">
          {runs === 0 ? `${done ? "It affects" : "Affects"} no past run.` : `${done ? "It affects" : "Affects"} ${counted(runs, "past run")}: `}
          {runs === 0 ? "" : !differ ? "each is on the build of its date." : `${differWords(differ)} ${done ? "now" : "then"}, and can be cleared afterwards.`}
          {!queued ? "" : ` ${counted(queued, "queued run")} ${queued === 1 ? "takes" : "take"} what ${queued === 1 ? "its date asks" : "their dates ask"} for.`}
        </Text>
      )}
      <Warnings warnings={warnings} />
    </Stack>
  );
}

function placeWords(build: number | null): string {
  return build === null ? "the active release" : `build ${build}`;
}
