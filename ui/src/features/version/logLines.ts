/** The lines of a log, and the groups that `::group::` and `::endgroup::` make of them. */
import { absolute } from "src/components/time";

export interface Line {
  text: string;
  level: string | undefined;
}

export interface Group {
  title: string;
  lines: Line[];
}

type Raw = string | Record<string, unknown>;

const BEGIN = "::group::";
const END = "::endgroup::";

function lineOf(raw: Raw, timezone: string): Line & { event: string } {
  if (typeof raw === "string") return { text: raw, event: raw, level: undefined };
  const { timestamp, event, level } = raw;
  const said = typeof event === "string" ? event : JSON.stringify(event ?? raw);
  const at = typeof timestamp === "string" && !Number.isNaN(Date.parse(timestamp)) ? `[${absolute(timestamp, timezone)}] ` : "";
  return { text: [at + said, ...traceback(raw["error_detail"])].join("\n"), event: said, level: typeof level === "string" ? level : undefined };
}

interface Failure {
  exc_type?: unknown;
  exc_value?: unknown;
  frames?: { filename?: unknown; lineno?: unknown; name?: unknown }[];
}

/** What Airflow keeps of an exception beside the message, as Python prints it. */
function traceback(detail: unknown): string[] {
  if (!Array.isArray(detail)) return [];
  return (detail as Failure[]).flatMap(({ exc_type: type, exc_value: value, frames }) => [
    ...(Array.isArray(frames) ? frames : []).map(({ filename, lineno, name }) => `  File "${String(filename)}", line ${String(lineno)}, in ${String(name)}`),
    `${String(type)}: ${String(value)}`,
  ]);
}

/** Lines and groups, in their order. A group that is never ended goes on to the end. */
export function grouped(content: Raw[], timezone: string): (Line | Group)[] {
  const found: (Line | Group)[] = [];
  let open: Group | undefined;
  for (const { event, ...line } of content.map((raw) => lineOf(raw, timezone))) {
    // As Airflow does it: only where a line begins with it. Anywhere else it is text like any other.
    if (event.startsWith(BEGIN)) {
      open = { title: event.slice(BEGIN.length).trim() || "Group", lines: [] };
      found.push(open);
    } else if (event.startsWith(END)) {
      open = undefined;
    } else {
      (open?.lines ?? found).push(line);
    }
  }
  return found;
}

export const isGroup = (one: Line | Group): one is Group => "lines" in one;

/** Every line, without its group. */
export function flat(found: (Line | Group)[]): Line[] {
  return found.flatMap((one) => (isGroup(one) ? one.lines : [one]));
}
