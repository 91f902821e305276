/** The timeline as one picture: which build data of which dates is for, and the runs that are on which. */
import { Box, HStack, Text } from "@chakra-ui/react";
import { useEffect, useId, useMemo, useState } from "react";

import type { DatedRun, Timeline } from "src/api/timeline";
import { dateWords } from "src/components/dates";
import { absolute } from "src/components/time";
import { useWidth } from "src/components/useWidth";
import { axisOf, barsOf, coloursOf, ticksOf } from "src/features/timeline/axis";
import type { Tick } from "src/features/timeline/axis";
import { countWords, differWords, runWords, spanWords, stretchWords } from "src/features/timeline/words";

interface Props {
  timeline: Timeline;
  /** Those that do not match, and those on which somebody decided. */
  runs: DatedRun[];
  /** The first line of the commit's message, where it is known. */
  subjectOf: (build: number | null, bundleVersion: string | null) => string;
  onRun: (runId: string) => void;
}

const LEFT = 8;
const TOP = 22;
const BAR = 34;
const RUNS = TOP + BAR + 12;
const TICK = 16;
const HEIGHT = RUNS + TICK + 26;
const COLUMN = 5;
/** A letter is about so wide. */
const LETTER = 7;

const PALETTES = ["gray", "blue", "purple", "teal", "orange", "pink", "cyan", "yellow"];
const LOOK = {
  "& text": { fill: "fg", fontSize: "12px", fontFamily: "body" },
  "& text.muted": { fill: "fg.muted", fontSize: "11px" },
  "& .gap": { stroke: "border.emphasized", strokeDasharray: "3 3" },
  "& .hatch": { stroke: "border.emphasized", strokeWidth: 1.5 },
  "& .now": { stroke: "fg", strokeWidth: 1.5, strokeDasharray: "4 2" },
  "& .mark": { cursor: "pointer" },
  "& .differs": { stroke: "fg", strokeWidth: 2 },
  ...Object.fromEntries(
    PALETTES.flatMap((name) => [
      [`& .era.of-${name}`, { fill: `${name}.subtle`, stroke: `${name}.solid`, strokeWidth: 1.5 }],
      [`& .tick.of-${name}`, { fill: `${name}.solid` }],
    ]),
  ),
};

export function Bars({ timeline, runs, subjectOf, onRun }: Props) {
  const [width, measure] = useWidth();
  const hatch = useId();
  const [now, setNow] = useState(Date.now);
  useEffect(() => setNow(Date.now()), [timeline]);
  const { stretches, zone } = timeline;
  const { axis, bars, ticks, colours } = useMemo(() => {
    const axis = axisOf(stretches, runs, now, LEFT, Math.max(LEFT + 50, width - LEFT));
    const builds = [...stretches.map(({ gap, build }) => (gap ? null : build)), ...runs.map(({ build }) => build)];
    return { axis, bars: barsOf(stretches, axis), ticks: ticksOf(runs, axis, COLUMN), colours: coloursOf(builds) };
  }, [stretches, runs, now, width]);
  const colour = (build: number | null) => `of-${(build === null ? undefined : colours.get(build)) ?? "gray"}`;
  const differ = runs.filter(({ fit }) => fit === "differs").length;
  return (
    <Box borderWidth="1px" borderRadius="md" p={2}>
      <HStack justify="space-between" wrap="wrap" mb={1} gap={3}>
        <Text fontSize="sm">
          Left to right: {dateWords(timeline.dated_by)}, in {zone}. Not the time at which something ran.
        </Text>
        {runs.length === 0 ? undefined : (
          <Text fontSize="xs" color="fg.muted">
            A stroke is a run that does not match its date, in the colour of the build that it ran on; outlined unless somebody chose that build.
          </Text>
        )}
      </HStack>
      <Box ref={measure} css={LOOK} data-testid="timeline-picture">
        {width === 0 ? (
          <Box height={`${HEIGHT}px`} />
        ) : (
          <svg width="100%" height={HEIGHT} role="img" aria-label={describe(timeline, differ)}>
            <defs>
              <pattern id={hatch} width={8} height={8} patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                <line className="hatch" x1={0} y1={0} x2={0} y2={8} />
              </pattern>
            </defs>
            {bars.map(({ stretch, x, width: wide }) => {
              const { gap, build, bundle_version: version, counts } = stretch;
              const said = [`${spanWords(stretch)}: ${stretchWords(stretch)}`, version ?? "", subjectOf(build, version), counts === null ? "" : countWords(counts)];
              const short = gap ? stretchWords(stretch) : [`Build ${build}`, version?.slice(0, 8), subjectOf(build, version)].filter(Boolean).join(" · ");
              return (
                <g key={`${stretch.starts_at}`} data-testid={gap ? "gap" : "era"}>
                  <title>{said.filter((part) => part !== "").join("\n")}</title>
                  <rect
                    className={gap ? "gap" : `era ${colour(build)}`}
                    x={x}
                    y={TOP}
                    width={wide}
                    height={BAR}
                    fill={gap ? `url(#${hatch})` : undefined}
                  />
                  <text x={x + 6} y={TOP + BAR / 2 + 4}>
                    {fitting(gap ? "" : short, wide)}
                  </text>
                  {stretch.from === null ? undefined : (
                    <text className="muted" x={x} y={TOP - 6}>
                      {fitting(stretch.from, wide)}
                    </text>
                  )}
                </g>
              );
            })}
            {ticks.map((tick) => (
              <g key={`${tick.x} ${tick.build} ${tick.fit}`} className="mark" onClick={() => onRun(tick.run.run_id)}>
                <title>{tickWords(tick, zone)}</title>
                <rect
                  data-testid={`tick-${tick.fit}`}
                  className={`tick ${colour(tick.build)} ${tick.fit}`}
                  x={tick.x}
                  y={RUNS}
                  width={COLUMN - 1}
                  height={TICK}
                />
              </g>
            ))}
            <line className="now" x1={axis.place(now)} x2={axis.place(now)} y1={TOP - 4} y2={RUNS + TICK + 4} />
            <text className="muted" x={axis.place(now)} y={HEIGHT - 6} textAnchor="middle">
              today
            </text>
          </svg>
        )}
      </Box>
    </Box>
  );
}

/** As much of a text as has room; nothing where only a letter or two would be left. */
function fitting(text: string, width: number): string {
  const letters = Math.floor((width - 10) / LETTER);
  if (text.length <= letters) return text;
  return letters < 6 ? "" : `${text.slice(0, letters - 1)}…`;
}

function tickWords({ run, runs }: Tick, zone: string): string {
  return [run.run_id, absolute(run.date, zone), runWords(run), runs > 1 ? `and ${runs - 1} more like it` : ""].filter((part) => part !== "").join("\n");
}

function describe({ stretches, dated_by: by }: Timeline, differ: number): string {
  const said = stretches.map((stretch) => `${spanWords(stretch)} ${stretchWords(stretch)}`).join("; ");
  return `Builds by ${dateWords(by)}: ${said}. ${differ === 0 ? "No run is outlined." : `${differWords(differ)}.`} The list below says the same in words.`;
}
