import { expect, it } from "vitest";

import type { Cell } from "src/api/history";
import { mostOf } from "src/features/history/grid/most";

const on = (version: string): Cell => ({ state: "success", tries: 1, version });

it("is the version of the most cells; of as many, the one that the run has now", () => {
  expect(mostOf([on("r1"), on("r1"), on("r2"), null, undefined], "r2")).toBe("r1");
  expect(mostOf([on("r1"), on("r2")], "r2")).toBe("r2");
  expect(mostOf([on("r1"), on("r3")], "r2")).toBe("r1");
  expect(mostOf([null, undefined], "r2")).toBe("r2");
});
