/** The language of a file by its name; each is loaded when the first file of it is shown. */
import type { Extension } from "@codemirror/state";

const BY_ENDING = new Map<string, () => Promise<Extension>>(
  Object.entries({
    py: async () => (await import("@codemirror/lang-python")).python(),
    json: async () => (await import("@codemirror/lang-json")).json(),
    sql: async () => (await import("@codemirror/lang-sql")).sql(),
    yaml: async () => (await import("@codemirror/lang-yaml")).yaml(),
    yml: async () => (await import("@codemirror/lang-yaml")).yaml(),
  }),
);

/** "queries/day.sql.j2" is SQL. */
export function endingOf(path: string): string {
  const name = (path.split("/").at(-1) ?? "").toLowerCase().replace(/\.(j2|jinja2?|tmpl)$/, "");
  return name.includes(".") ? (name.split(".").at(-1) ?? "") : "";
}

export async function languageOf(path: string): Promise<Extension> {
  return (await BY_ENDING.get(endingOf(path))?.()) ?? [];
}
