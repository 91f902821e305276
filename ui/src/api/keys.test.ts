import { expect, test } from "vitest";

import { keptBy } from "src/api/keys";

test("what a build holds is kept for good where each digest tells which build that is", () => {
  expect(keptBy("a", "b")).toEqual({ staleTime: Infinity });
  expect(keptBy("a", null)).toEqual({});
});

test("an API server that is still to be upgraded tells no digest, so nothing is kept for good", () => {
  const { digest } = {} as { digest: string | null };
  expect(keptBy("a", digest)).toEqual({});
});
