import { expect, test } from "vitest";

import { spanOf } from "src/features/events/spans";

test("the last hour goes on, and begins at a full minute", () => {
  expect(spanOf("hour", new Date("2026-11-21T13:19:55Z"), "UTC")).toEqual({ since: "2026-11-21T12:19:00.000Z", until: null });
});

test("by day the last night is over", () => {
  expect(spanOf("night", new Date("2026-11-21T13:00:00Z"), "UTC")).toEqual({
    since: "2026-11-20T18:00:00.000Z",
    until: "2026-11-21T08:00:00.000Z",
  });
});

test("at 3 in the morning the last night is the one that goes on", () => {
  expect(spanOf("night", new Date("2026-11-21T03:00:00Z"), "UTC")).toEqual({ since: "2026-11-20T18:00:00.000Z", until: null });
});

test("the night is that of the user's time zone", () => {
  // 03:00 UTC is 08:30 in Kolkata: the night is over there.
  expect(spanOf("night", new Date("2026-11-21T03:00:00Z"), "Asia/Kolkata")).toEqual({
    since: "2026-11-20T12:30:00.000Z",
    until: "2026-11-21T02:30:00.000Z",
  });
});
