import { describe, expect, it } from "vitest";

import { instantOf } from "src/components/zoned";

describe("a time on the wall of a time zone", () => {
  it.each([
    ["2026-11-21T12:00", "UTC", "2026-11-21T12:00:00.000Z"],
    ["2026-11-21T12:00:30", "Asia/Kolkata", "2026-11-21T06:30:30.000Z"],
    ["2026-07-01T00:00", "Europe/Berlin", "2026-06-30T22:00:00.000Z"],
    ["2026-01-01T00:00", "America/New_York", "2026-01-01T05:00:00.000Z"],
    // The hour after and before the clocks change.
    ["2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00:00.000Z"],
    ["2026-03-29T01:59", "Europe/Berlin", "2026-03-29T00:59:00.000Z"],
    ["2026-10-25T03:00", "Europe/Berlin", "2026-10-25T02:00:00.000Z"],
  ])("%s in %s is %s", (local, zone, instant) => expect(instantOf(local, zone)).toBe(instant));

  it.each(["", "yesterday", "2026-02-31T00:00", "2026-11-21"])("%j is none", (text) =>
    expect(instantOf(text, "UTC")).toBeUndefined(),
  );
});
