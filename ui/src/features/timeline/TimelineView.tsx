/** The Dag's timeline: which build data of which dates is for, and the runs that are on another one. */
import { Button, HStack, Spacer, Stack, Text } from "@chakra-ui/react";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useNavigate } from "react-router-dom";

import { buildsQuery } from "src/api/builds";
import { lineHeadQuery } from "src/api/line";
import type { Schemas } from "src/api/schemas";
import { hasEras, timelineCheckQuery, timelineQuery } from "src/api/timeline";
import type { Timeline } from "src/api/timeline";
import { ReadOnly } from "src/components/ReadOnly";
import { subject } from "src/components/released";
import { ErrorState, Loaded } from "src/components/states";
import { Time } from "src/components/time";
import { Bars } from "src/features/timeline/Bars";
import { ClearByDateDialog } from "src/features/timeline/ClearByDateDialog";
import { Differing } from "src/features/timeline/Differing";
import { EraDialog } from "src/features/timeline/EraDialog";
import type { Wish } from "src/features/timeline/EraDialog";
import { Revisions } from "src/features/timeline/Revisions";
import { Sensors } from "src/features/timeline/Sensors";
import { Stretches } from "src/features/timeline/Stretches";
import { Variants } from "src/features/timeline/Variants";

export function TimelineView({ dagId }: { dagId: string }) {
  const timeline = useQuery(timelineQuery(dagId));
  const head = useQuery(lineHeadQuery(dagId));
  return (
    <Loaded query={timeline}>
      {(found) => <Loaded query={head}>{({ may }) => <Shown dagId={dagId} timeline={found} may={may} />}</Loaded>}
    </Loaded>
  );
}

type Asking = { clears: true } | { clears: false; wish: Wish };

function Shown({ dagId, timeline, may }: { dagId: string; timeline: Timeline; may: Schemas["May"] }) {
  const navigate = useNavigate();
  const [asking, setAsking] = useState<Asking>();
  const check = useQuery({ ...timelineCheckQuery(dagId), enabled: may.read_runs });
  const builds = useQuery(buildsQuery(dagId));
  const found = useMemo(
    () => new Map((builds.data?.builds ?? []).map((one) => [`${one.build} ${one.bundle_version}`, one])),
    [builds.data],
  );
  // Of another commit in which the build stood nothing is said: the message is that of the first one.
  const subjectOf = (build: number | null, version: string | null) => subject(found.get(`${build} ${version}`)?.message);
  const dated = hasEras(timeline);
  const runs = useMemo(() => (check.data !== undefined ? [...check.data.differ, ...check.data.by_hand] : []), [check.data]);
  const close = () => setAsking(undefined);

  return (
    <Stack gap={3}>
      <HStack gap={3} wrap="wrap" alignItems="baseline">
        <Text>
          {dated ? "The date of the data chooses the build, for every kind of run." : "No era: data of all dates is for the active release."}{" "}
          {timeline.revision === 0 ? undefined : (
            <Text as="span" color="fg.muted" fontSize="sm">
              Revision {timeline.revision} by {timeline.actor ?? "unknown"} <Time at={timeline.at} />
              {timeline.reason ? `: ${timeline.reason}` : ""}
            </Text>
          )}
        </Text>
        <Spacer />
        {may.edit ? (
          <HStack gap={2}>
            <Button
              size="sm"
              variant={dated ? "outline" : "solid"}
              colorPalette={dated ? undefined : "brand"}
              onClick={() => setAsking({ clears: false, wish: { verb: "set", from: null, until: null } })}
            >
              Set an era…
            </Button>
            {dated ? (
              <Button size="sm" variant="outline" onClick={() => setAsking({ clears: false, wish: { verb: "unset", from: null, until: null } })}>
                Unset all…
              </Button>
            ) : undefined}
          </HStack>
        ) : undefined}
      </HStack>
      {may.edit ? undefined : <ReadOnly />}
      <Bars
        timeline={timeline}
        runs={runs}
        subjectOf={subjectOf}
        onRun={(runId) => void navigate(`/dags/${encodeURIComponent(dagId)}/runs/${encodeURIComponent(runId)}`)}
      />
      {check.error === null ? undefined : <ErrorState error={check.error} onRetry={() => void check.refetch()} />}
      {check.data === undefined || (!dated && check.data.differ.length === 0) ? undefined : (
        <Differing
          dagId={dagId}
          zone={timeline.zone}
          differ={check.data.differ}
          byHand={check.data.by_hand}
          onClear={may.edit && may.edit_runs ? () => setAsking({ clears: true }) : undefined}
        />
      )}
      {check.data === undefined ? undefined : <Sensors sensors={check.data.sensors} />}
      <Stretches
        stretches={timeline.stretches}
        subjectOf={subjectOf}
        canEdit={may.edit}
        onSet={({ from, until, gap, build, starts_at, ends_at }) =>
          setAsking({
            clears: false,
            wish: { verb: "set", from, until, ...(gap ? {} : { build: build ?? undefined, replaces: { starts_at, ends_at } }) },
          })
        }
        onUnset={({ from, until }) => setAsking({ clears: false, wish: { verb: "unset", from, until } })}
      />
      <Variants variants={timeline.variants} />
      <Revisions dagId={dagId} newest={timeline.revision} />
      {asking === undefined ? undefined : asking.clears ? (
        <ClearByDateDialog dagId={dagId} zone={timeline.zone} onClose={close} />
      ) : (
        <EraDialog dagId={dagId} timeline={timeline} wish={asking.wish} onClose={close} />
      )}
    </Stack>
  );
}
