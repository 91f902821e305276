import { describe, expect, it } from "vitest";

import { endingOf, languageOf } from "src/components/code/language";

describe("the language of a file", () => {
  it.each([
    ["dags/sales.py", "py"],
    ["queries/day.sql.j2", "sql"],
    ["conf/Settings.YAML", "yaml"],
    ["Makefile", ""],
    ["a.b/c", ""],
  ])("%s ends in %j", (path, ending) => expect(endingOf(path)).toBe(ending));

  it("is none for what is not known", async () => {
    expect(await languageOf("x.unknown")).toEqual([]);
    expect(await languageOf("x.constructor")).toEqual([]);
    expect(await languageOf("x.py")).not.toEqual([]);
  });
});
