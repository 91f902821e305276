import { expect, test } from "vitest";

import type { Schemas } from "src/api/schemas";
import { countOf, since } from "src/features/fleet/Waiting";

const build = (number: number | null) => ({ build: number }) as Schemas["Build"];

test("what waits is all that came after the active build, broken commits too", () => {
  const builds = [build(null), build(4), build(3), build(2), build(1)];
  expect(since(builds, 2).map(({ build: number }) => number)).toEqual([null, 4, 3]);
  expect(since(builds, 9)).toHaveLength(5);
});

test("broken commits are not counted as builds", () => {
  const [good, broken] = [{ status: "good" }, { status: "broken" }] as Schemas["Build"][];
  expect(countOf([])).toBe("no other build");
  expect(countOf([good!])).toBe("1 build");
  expect(countOf([good!, broken!, good!])).toBe("2 builds, 1 broken commit");
});
