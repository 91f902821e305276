import { describe, expect, it, test } from "vitest";

import { behind, chosen, columnsOf, entriesOf, joined, keyOf, lastLine, scaleOf, segmentsOf, verbTo } from "src/features/releases/line";
import type { Line } from "src/features/releases/line";
import { at, build, ms, release, run } from "src/features/releases/testing";

describe("what happened, newest first", () => {
  it("is one row for a build that was released at once, and one each for later releases and broken commits", () => {
    const builds = [build(3, 30), build(null, 25), build(2, 20), build(1, 10)];
    const releases = [release(3, 1, 40, { kind: "rollback" }), release(2, 2, 20), release(1, 1, 10)];
    expect(entriesOf(builds, releases).map(({ key, release: one, broken }) => [key, one?.release, broken])).toEqual([
      ["release 3", 3, false],
      ["build 3", undefined, false],
      ["broken version 25", undefined, true],
      ["build 2", 2, false],
      ["build 1", 1, false],
    ]);
  });

  it("names a release of a build that lies on an older page on its own", () => {
    expect(entriesOf([], [release(9, 4, 10)]).map(({ key }) => key)).toEqual(["release 9"]);
  });
});

describe("which build was active when", () => {
  it("ends each release where the next one began, and the last one now", () => {
    const releases = [release(2, 2, 20), release(1, 1, 10, { until: at(20) })];
    const found = segmentsOf(releases, null, ms(10), ms(30));
    expect(found.map(({ build: of, from, until }) => [of, from, until])).toEqual([
      [1, ms(10), ms(20)],
      [2, ms(20), ms(30)],
    ]);
  });

  it("begins with the release that was in force before the page", () => {
    const found = segmentsOf([release(2, 2, 20)], release(1, 1, 5, { until: at(20) }), ms(15), ms(30));
    expect(found[0]).toMatchObject({ build: 1, from: ms(15), until: ms(20) });
  });

  it("leaves a gap while the Dag was retired", () => {
    const releases = [release(2, 1, 20, { kind: "retire" }), release(1, 1, 10, { until: at(20) })];
    expect(segmentsOf(releases, null, ms(10), ms(30))).toHaveLength(1);
  });
});

describe("the scale", () => {
  it("goes as the clock does in true time", () => {
    const scale = scaleOf([0, 10, 100], "time", 0, 100);
    expect([0, 10, 50, 100].map(scale)).toEqual([0, 10, 50, 100]);
  });

  it("gives every step the same width in even steps, whatever lies between", () => {
    const scale = scaleOf([0, 10, 100], "even", 0, 100);
    expect([0, 5, 10, 55, 100].map(scale)).toEqual([0, 25, 50, 75, 100]);
  });

  it("never leaves the picture and bears a single moment", () => {
    expect(scaleOf([10, 20], "even", 0, 100)(5)).toBe(0);
    expect(scaleOf([10, 20], "time", 0, 100)(99)).toBe(100);
    expect(scaleOf([10], "time", 0, 100)(10)).toBe(50);
    expect(scaleOf([], "even", 0, 100)(10)).toBe(50);
  });

  it("is quick with hundreds of builds and a thousand runs", () => {
    const moments = Array.from({ length: 500 }, (_, place) => place * 1_000);
    const scale = scaleOf(moments, "even", 0, 1_000);
    const runs = Array.from({ length: 1_000 }, (_, place) => run(`r${place}`, place % 60, "success"));
    expect(columnsOf(runs, scale, 5).reduce((sum, column) => sum + column.good, 0)).toBe(1_000);
  });
});

describe("runs below the line", () => {
  it("are counted together where they fall into the same pixels", () => {
    const runs = [run("c", 30, "running"), run("b", 10, "failed"), run("a", 10, "success")];
    expect(columnsOf(runs, (moment) => (moment - ms(10)) / 60_000, 5)).toEqual([
      { x: 0, good: 1, failed: 1, unfinished: 0, runId: "b" },
      { x: 20, good: 0, failed: 0, unfinished: 1, runId: "c" },
    ]);
  });
});

describe("small decisions", () => {
  it("a newer build is promoted, an older one rolled back to, whatever the numbers; the active one neither", () => {
    expect([verbTo(3, 2, true), verbTo(1, 2, false), verbTo(1, 2, true), verbTo(3, 2, false)]).toEqual([
      "promote",
      "rollback",
      "promote",
      "rollback",
    ]);
    expect([verbTo(2, 2, false), verbTo(1, null, false)]).toEqual([undefined, "promote"]);
  });

  it("counts the good builds that wait", () => {
    const newer = { newer: true };
    expect(behind([build(4, 4), build(null, 3), build(3, 2), build(2, 1)], 2)).toBe(0);
    expect(behind([build(4, 4, newer), build(null, 3), build(2, 2), build(1, 1, newer)], 2)).toBe(2);
    expect(behind([build(1, 1, newer)], null)).toBe(0);
  });

  it("keeps two chosen builds: a third replaces the first, a chosen one is left out again", () => {
    expect(chosen([1, 2], 3)).toEqual([2, 3]);
    expect(chosen([1, 2], 1)).toEqual([2]);
    expect(chosen([], 1)).toEqual([1]);
  });

  it("tells a traceback by its last line", () => {
    expect(lastLine("Traceback\n  x\nSyntaxError: oops\n")).toBe("SyntaxError: oops");
    expect(lastLine(null)).toBe("");
  });

  it("joins pages", () => {
    const page = (number: number): Line =>
      ({ releases: [release(number, number, number)], builds: [], runs: [], in_force: release(number - 1, 1, 1), more_runs: number === 1 }) as unknown as Line;
    const found = joined([page(2), page(1)]);
    expect([found.releases.map(({ release: one }) => one), found.inForce?.release, found.moreRuns]).toEqual([[2, 1], 0, true]);
  });
});

test("an address names a release's row or a build's, and a build that was loaded only as released by the release's", () => {
  const entries = entriesOf([build(2, 20), build(1, 10)], [release(3, 1, 30), release(2, 2, 20), release(1, 1, 10)]);
  expect(["r3", "r2", "b2", "b1"].map((anchor) => keyOf(entries, anchor))).toEqual(["release 3", "build 2", "build 2", "build 1"]);
  expect(["r9", "b0", "x1", "", "r3x"].map((anchor) => keyOf(entries, anchor))).toEqual([undefined, undefined, undefined, undefined, undefined]);
  expect(keyOf(entriesOf([], [release(3, 1, 30)]), "b1")).toBe("release 3");
});
