import { expect, test } from "vitest";

import { counts, dated } from "src/features/timeline/testing";
import { countWords, differWords, runWords, spanWords, stretchWords } from "src/features/timeline/words";

test("dates are half-open, and an open side is said", () => {
  expect(spanWords({ from: null, until: "2020-01-01" })).toBe("… → 2020-01-01");
  expect(spanWords({ from: "2020-01-01", until: null })).toBe("2020-01-01 → …");
});

test("a gap is the active release, of a Dag that has one", () => {
  expect(stretchWords({ gap: true, build: 9 })).toBe("gap: the active release, now build 9");
  expect(stretchWords({ gap: true, build: null })).toBe("gap: the active release, of which there is none now");
  expect(stretchWords({ gap: false, build: 3 })).toBe("build 3");
});

test("a run says what it ran on and what its date asks for", () => {
  expect(runWords(dated("r", "2021-05-01"))).toBe("ran on build 9; would run on 7");
  expect(runWords(dated("r", "2021-05-01", { fit: "by_hand", build: 3 }))).toBe("ran on build 3, which somebody chose; would run on 7");
  expect(runWords(dated("r", "2021-05-01", { build: null, wanted: null }))).toBe("nobody knows what it ran on; its date asks for no build");
});

test("runs are counted by how they stand", () => {
  expect(countWords(counts(48, { match: 46, others: [{ build: 9, runs: 2 }] }))).toBe("48 runs, 46 match, 2 ran on build 9");
  expect(countWords(counts(3, { match: 1, by_hand: 1, waiting: 1 }))).toBe("3 runs, 1 matches, 1 on a build that somebody chose, 1 waits");
  expect(countWords(counts(0))).toBe("no run");
  expect([differWords(1), differWords(37)]).toEqual(["1 run does not match", "37 runs do not match"]);
});
