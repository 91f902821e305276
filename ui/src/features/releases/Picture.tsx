/** The line as one picture: which build was active when, what was never released or broke, and the runs below. */
import { Box, Button, HStack, Text } from "@chakra-ui/react";
import { useEffect, useMemo, useState } from "react";

import { absolute, useTimezone } from "src/components/time";
import { useWidth } from "src/components/useWidth";
import { columnsOf, rejectedOf, scaleOf, segmentsOf, time } from "src/features/releases/line";
import type { Column, Entry, LineBuild, LineRelease, LineRun, Spacing } from "src/features/releases/line";

interface Props {
  entries: Entry[];
  builds: LineBuild[];
  releases: LineRelease[];
  inForce: LineRelease | null;
  runs: LineRun[];
  since: string | null;
  selected: number[];
  spacing: Spacing;
  onSpacing: (spacing: Spacing) => void;
  onPick: (key: string) => void;
  onRun: (runId: string) => void;
}

const LEFT = 64;
const RIGHT = 28;
const TOP = 18;
const BUILDS = 130;
const BROKEN = TOP + BUILDS + 24;
const RUNS = BROKEN + 18;
const RUNS_HEIGHT = 40;
const HEIGHT = RUNS + RUNS_HEIGHT + 22;
const COLUMN = 5;

const LOOK = {
  "& text": { fill: "fg.muted", fontSize: "11px", fontFamily: "body" },
  "& .lane": { stroke: "border", strokeWidth: 1 },
  "& .active": { stroke: "green.solid", strokeWidth: 4, fill: "none", strokeLinecap: "round" },
  "& .now .active": { strokeWidth: 7 },
  "& .jump": { stroke: "green.solid", strokeWidth: 1.5, strokeDasharray: "2 2" },
  "& .jump.rollback": { stroke: "red.solid", strokeWidth: 2, strokeDasharray: "none" },
  "& .dot": { fill: "bg", stroke: "fg.muted", strokeWidth: 1.6 },
  "& .dot.released": { fill: "green.solid", stroke: "green.solid" },
  "& .dot.rollback": { fill: "red.solid", stroke: "red.solid" },
  "& .dot.pin": { fill: "orange.solid", stroke: "orange.solid" },
  "& .dot.rejected": { fill: "bg", stroke: "red.solid", strokeWidth: 2.4 },
  "& .cross": { stroke: "red.solid", strokeWidth: 2.4 },
  "& .chosen": { stroke: "blue.solid", strokeWidth: 3, fill: "none" },
  "& .mark": { cursor: "pointer" },
  "& .good": { fill: "success.solid" },
  "& .bad": { fill: "failed.solid" },
  "& .open": { fill: "running.solid" },
};

export function Picture({ entries, builds, releases, inForce, runs, since, selected, spacing, onSpacing, onPick, onRun }: Props) {
  const [width, measure] = useWidth();
  const timezone = useTimezone();
  const [now, setNow] = useState(Date.now);
  // Anew with new data, so that the picture always ends now.
  useEffect(() => setNow(Date.now()), [entries, runs]);
  const drawn = useMemo(() => {
    const moments = entries.map(({ at }) => time(at));
    const start = since === null ? Math.min(...moments, now) : time(since);
    const scale = scaleOf([start, ...moments, now], spacing, LEFT, Math.max(LEFT + 50, width - RIGHT));
    const numbers = [...builds.map(({ build }) => build), ...releases.map(({ build }) => build), inForce?.build ?? null];
    const known = [...new Set(numbers.filter((build) => build !== null))].sort((a, b) => a - b);
    const lane = new Map(known.map((build, place) => [build, place]));
    const height = (build: number) =>
      known.length < 2
        ? TOP + BUILDS / 2
        : TOP + BUILDS - ((lane.get(build) ?? 0) / (known.length - 1)) * BUILDS;
    const segments = segmentsOf(releases, inForce, start, now);
    const columns = columnsOf(runs, scale, COLUMN);
    const highest = Math.max(1, ...columns.map(({ good, failed, unfinished }) => good + failed + unfinished));
    return { start, scale, known, height, segments, columns, highest };
  }, [entries, builds, releases, inForce, runs, since, now, spacing, width]);
  const { start, scale, known, height, segments, columns, highest } = drawn;
  const labelled = known.length <= 8 ? known : known.filter((_, place) => place % Math.ceil(known.length / 7) === 0);
  const ends = [start, now];

  return (
    <Box borderWidth="1px" borderRadius="md" p={2}>
      <HStack justify="space-between" wrap="wrap" mb={1}>
        <Legend />
        <HStack gap={0} role="group" aria-label="Spacing">
          {(["even", "time"] as const).map((name) => (
            <Button
              key={name}
              size="2xs"
              variant={spacing === name ? "solid" : "outline"}
              aria-pressed={spacing === name}
              onClick={() => onSpacing(name)}
            >
              {name === "even" ? "Even steps" : "True time"}
            </Button>
          ))}
        </HStack>
      </HStack>
      <Box ref={measure} css={LOOK} data-testid="line-picture">
        {width === 0 ? (
          <Box height={`${HEIGHT}px`} />
        ) : (
          <svg width="100%" height={HEIGHT} role="img" aria-label={describe(segments.length, builds, runs)}>
            {labelled.map((build) => (
              <g key={build}>
                <line className="lane" x1={LEFT} x2={width - RIGHT} y1={height(build)} y2={height(build)} />
                <text x={LEFT - 8} y={height(build) + 4} textAnchor="end">
                  Build {build}
                </text>
              </g>
            ))}
            <text x={LEFT - 8} y={BROKEN + 4} textAnchor="end">
              broken
            </text>
            <text x={LEFT - 8} y={RUNS + RUNS_HEIGHT - 4} textAnchor="end">
              runs
            </text>
            {segments.map((segment, place) => {
              const before = segments[place - 1];
              const { kind } = segment.release;
              return (
                <g key={segment.release.release} className={segment.release.active ? "now" : ""}>
                  {before === undefined ? undefined : (
                    <line
                      className={kind === "rollback" ? "jump rollback" : "jump"}
                      x1={scale(segment.from)}
                      x2={scale(segment.from)}
                      y1={height(before.build)}
                      y2={height(segment.build)}
                    />
                  )}
                  <line
                    className="active"
                    x1={scale(segment.from)}
                    x2={scale(segment.until)}
                    y1={height(segment.build)}
                    y2={height(segment.build)}
                  >
                    <title>{`Build ${segment.build} was active as release ${segment.release.release}`}</title>
                  </line>
                </g>
              );
            })}
            {[...entries].reverse().map((entry) => {
              const x = scale(time(entry.at));
              const build = entry.release?.build ?? entry.build?.build ?? null;
              const title = <title>{saying(entry, timezone)}</title>;
              return entry.broken || build === null ? (
                <g key={entry.key} className="mark" onClick={() => onPick(entry.key)}>
                  <path className="cross" d={`M${x - 4} ${BROKEN - 4}l8 8m0 -8l-8 8`} />
                  {title}
                </g>
              ) : (
                <g key={entry.key} className="mark" onClick={() => onPick(entry.key)}>
                  {selected.includes(build) ? <circle className="chosen" cx={x} cy={height(build)} r={9} /> : undefined}
                  <circle className={`dot ${look(entry)}`} cx={x} cy={height(build)} r={5}>
                    {title}
                  </circle>
                </g>
              );
            })}
            {columns.map((column) => (
              <Bar key={column.x} {...column} unit={RUNS_HEIGHT / highest} onRun={onRun} />
            ))}
            {ends.map((at, place) => (
              <text key={place} x={place === 0 ? LEFT : width - RIGHT} y={HEIGHT - 4} textAnchor={place === 0 ? "start" : "end"}>
                {place === 0 ? absolute(new Date(at).toISOString(), timezone) : "now"}
              </text>
            ))}
          </svg>
        )}
      </Box>
    </Box>
  );
}

function Bar({ x, good, failed, unfinished, runId, unit, onRun }: Column & { unit: number; onRun: (runId: string) => void }) {
  const floor = RUNS + RUNS_HEIGHT;
  const parts = [
    ["bad", failed],
    ["good", good],
    ["open", unfinished],
  ] as const;
  let top = floor;
  return (
    <g className="mark" onClick={() => onRun(runId)}>
      <title>{`${good} success, ${failed} failed, ${unfinished} not finished\nNewest: ${runId}`}</title>
      {parts.map(([name, count]) => {
        if (count === 0) return undefined;
        const tall = Math.max(3, count * unit);
        top -= tall;
        return <rect key={name} className={name} x={x} y={top} width={COLUMN - 1} height={tall} />;
      })}
    </g>
  );
}

function look(entry: Entry): string {
  if (entry.rejected && entry.build !== undefined) return "rejected";
  const kind = entry.release?.kind;
  if (kind === undefined) return "";
  if (kind === "rollback") return "rollback";
  return kind === "pin" ? "pin" : "released";
}

function saying(entry: Entry, timezone: string): string {
  const what = entry.broken
    ? "Broken commit"
    : [
        entry.build === undefined ? "" : `Build ${entry.build.build}`,
        entry.release === undefined ? "not released" : `release ${entry.release.release} (${entry.release.kind}) of build ${entry.release.build}`,
        entry.rejected ? "rejected" : "",
      ]
        .filter((part) => part !== "")
        .join(", ");
  return `${what}\n${absolute(entry.at, timezone)}`;
}

function describe(segments: number, builds: LineBuild[], runs: LineRun[]): string {
  const broken = builds.filter(({ status }) => status === "broken").length;
  const never = builds.filter(({ status, releases }) => status === "good" && releases.length === 0).length;
  const failed = runs.filter(({ state }) => state === "failed").length;
  return (
    `Builds and releases over time: ${builds.length - broken} builds, ${never} of them never released, ${rejectedOf(builds).size} rejected, ${broken} broken commits, ` +
    `${segments} releases, ${runs.length} runs of which ${failed} failed. The list below says the same in words.`
  );
}

const SIGNS = [
  ["active", "was active"],
  ["dot released", "released"],
  ["dot rollback", "rolled back"],
  ["dot", "never released"],
  ["dot rejected", "rejected"],
  ["cross", "broken"],
] as const;

function Legend() {
  return (
    <HStack gap={3} wrap="wrap" css={LOOK} aria-hidden>
      {SIGNS.map(([name, text]) => (
        <HStack key={text} gap={1}>
          <svg width={18} height={12}>
            {name === "active" ? (
              <line className="active" x1={2} x2={16} y1={6} y2={6} />
            ) : name === "cross" ? (
              <path className="cross" d="M5 2l8 8m0 -8l-8 8" />
            ) : (
              <circle className={name} cx={9} cy={6} r={4.5} />
            )}
          </svg>
          <Text fontSize="xs" color="fg.muted">
            {text}
          </Text>
        </HStack>
      ))}
    </HStack>
  );
}
