import { expect, test } from "vitest";

import { behindWords } from "src/components/behind";

test("says how many versions a Dag is behind, and when only other files changed", () => {
  expect(behindWords({ versions: 1, kind: "traced" })).toBe("1 version behind");
  expect(behindWords({ versions: 10, kind: "other files" })).toBe("10 versions behind, only other files");
});
