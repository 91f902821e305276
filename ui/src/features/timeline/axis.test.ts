import { expect, test } from "vitest";

import { axisOf, barsOf, coloursOf, ticksOf } from "src/features/timeline/axis";
import { dated, DIFFER, TIMELINE } from "src/features/timeline/testing";

const NOW = new Date("2026-11-30T00:00:00Z").getTime();
const { stretches } = TIMELINE;

test("bars are half-open: where one ends the next one begins, and what is open reaches the picture's edge", () => {
  const bars = barsOf(stretches, axisOf(stretches, [], NOW, 10, 510));
  expect(bars[0]?.x).toBe(10);
  for (const [place, bar] of bars.slice(0, -1).entries()) expect(bar.x + bar.width).toBeCloseTo(bars[place + 1]?.x ?? 0);
  const last = bars.at(-1);
  expect((last?.x ?? 0) + (last?.width ?? 0)).toBeCloseTo(510);
});

test("the axis goes by the date of the data: now, all edges and all runs are on it", () => {
  const early = dated("early", "2012-01-01");
  const axis = axisOf(stretches, [early], NOW, 0, 1000);
  const places = ["2012-01-01", "2020-01-01", "2024-01-01", "2026-11-30"].map((date) => axis.place(new Date(date).getTime()));
  expect([...places].sort((a, b) => a - b)).toEqual(places);
  expect(places[0]).toBeGreaterThan(0);
  expect(places[3]).toBeLessThan(1000);
});

test("runs of one build and fit that fall into the same pixels are one mark that counts them, others are not", () => {
  const axis = axisOf(stretches, DIFFER, NOW, 0, 100);
  const same = [...DIFFER, dated("hand", "2021-05-01", { fit: "by_hand" })];
  const ticks = ticksOf(same, axis, 50);
  expect(ticks.map(({ fit, runs }) => [fit, runs])).toEqual([
    ["differs", 2],
    ["by_hand", 1],
  ]);
});

test("builds that are shown together have different colours, the same in any order", () => {
  const colours = coloursOf([7, 3, null, 9, 7]);
  expect(new Set(colours.values()).size).toBe(3);
  expect(coloursOf([9, 3, 7])).toEqual(colours);
});
