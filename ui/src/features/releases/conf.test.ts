import { describe, expect, it } from "vitest";

import { confOf } from "src/features/releases/conf";

describe("a run's configuration", () => {
  it("is a JSON object or nothing", () => {
    expect(confOf(' {"day": 1} ')).toEqual({ day: 1 });
    expect(confOf("  ")).toBeUndefined();
    for (const text of ["[1]", "1", "null", '"x"']) expect(() => confOf(text)).toThrow("A JSON object is needed");
    expect(() => confOf("{day: 1}")).toThrow("This is not JSON");
  });
});
