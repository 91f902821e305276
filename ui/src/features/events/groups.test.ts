import { expect, test } from "vitest";

import { DEFAULT_GROUP, EVERYTHING, GROUPS } from "src/features/events/groups";
import { WORDS } from "src/features/events/sentence";

/** The type of `WORDS` has it hold every kind that the server has. */
const KINDS = Object.keys(WORDS);

test.each(KINDS)("events of the kind %s can be asked for", (kind) => {
  expect(Object.entries(GROUPS).filter(([, kinds]) => (kinds as string[]).includes(kind))).not.toEqual([]);
});

test("what is shown by default is what people did, and everything can be asked for", () => {
  expect(GROUPS[DEFAULT_GROUP]).toContain("rollback");
  expect(GROUPS[DEFAULT_GROUP]).not.toContain("broken");
  expect(GROUPS[EVERYTHING]).toEqual([]);
});

test("no group names a kind twice", () => {
  for (const kinds of Object.values(GROUPS)) expect(new Set(kinds).size).toBe(kinds.length);
});
