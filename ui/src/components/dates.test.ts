import { expect, test } from "vitest";

import { buildOfDate, dateWords } from "src/components/dates";

test("a run's date has a name, of a Dag without runs too", () => {
  expect(dateWords(null)).toBe("start of the data interval");
  expect(dateWords("asset_events")).toBe("earliest data of its asset events");
  expect(buildOfDate(null)).toBe("The build of its data interval");
  expect(buildOfDate("logical_date")).toBe("The build of its logical date");
});
