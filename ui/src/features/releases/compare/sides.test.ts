import { expect, test } from "vitest";

import { optionsOf, sidesIn, valueOf } from "src/features/releases/compare/sides";
import type { Comparison } from "src/features/releases/compare/words";
import { build, release } from "src/features/releases/testing";

const compared = (number: number, releases: number[], label: string | null = null) => ({ ...build(number, number), releases, label }) as Comparison["from"];

test("the address names builds, releases or runs, and what is none of them is passed over", () => {
  const of = (query: string) => sidesIn(new URLSearchParams(query));
  expect(of("from=r2&to=r4")).toEqual({ from: "r2", to: "r4" });
  expect(of("from=1&to=b3")).toEqual({ from: "1", to: "b3" });
  expect(of("from_run=a%2Bb&to_run=c")).toEqual({ from_run: "a+b", to_run: "c" });
  expect(of("from=r2&from_run=a&to=nonsense")).toEqual({ from: "r2" });
});

test("a side shows the release that was asked for, else the newest of its build, else the build", () => {
  expect(valueOf(compared(1, [1, 3]), "r1")).toBe("r1");
  expect(valueOf(compared(1, [1, 3]), "1")).toBe("r3");
  expect(valueOf(compared(1, [1, 3]), undefined)).toBe("r3");
  expect(valueOf(compared(3, []), "b3")).toBe("b3");
});

test("the selects offer each release with its build, and builds that were never released, newest first", () => {
  const releases = [release(3, 1, 30, { active: true, label: "1.0" }), release(2, 2, 20), release(1, 1, 10, { label: "1.0" })];
  const builds = [build(3, 25), build(2, 20, { releases: [2] }), build(1, 10, { releases: [1, 3] }), build(null, 5)];
  expect(optionsOf(releases, builds, compared(3, []))).toEqual([
    { value: "r3", text: "Release 3 · build 1 · 1.0 · active" },
    { value: "b3", text: "Build 3 · never released" },
    { value: "r2", text: "Release 2 · build 2" },
    { value: "r1", text: "Release 1 · build 1 · 1.0" },
  ]);
});

test("what is compared is offered before the line is there", () => {
  expect(optionsOf([], [], compared(2, [4], "2.2.0"))).toEqual([{ value: "r4", text: "Release 4 · build 2 · 2.2.0" }]);
});
