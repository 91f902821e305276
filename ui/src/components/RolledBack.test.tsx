import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router-dom";
import { expect, test } from "vitest";

import { lately, RolledBack, wasByItself } from "src/components/RolledBack";
import { WatchBadge, watchWords } from "src/components/WatchBadge";

const AT = "2026-03-01T03:00:00+00:00";
const NOW = new Date("2026-03-01T09:00:00+00:00").getTime();
const BACK = { release: 3, build: 1, kind: "rollback", actor: "pinwheel", reason: "a run of build 2 failed (nightly)", created_at: AT } as const;
const WATCH = { release: 2, build: 2, rollout: 7, state: "watching", cause: null, words: "3 of 5 runs ended well", until: null, compared_with: null, goes_back_to: null, back: "goes back to build 1 at c1" } as const;

function show(what: React.ReactNode) {
  render(
    <ChakraProvider value={defaultSystem}>
      <MemoryRouter>{what}</MemoryRouter>
    </ChakraProvider>,
  );
}

test("only a rollback that nobody asked for, of the last day, is told before all else", () => {
  expect(lately(BACK, NOW)).toBe(true);
  expect(lately({ ...BACK, actor: "grace" }, NOW)).toBe(false);
  expect(lately({ ...BACK, kind: "auto" }, NOW)).toBe(false);
  expect(lately(BACK, NOW + 18 * 3_600_000)).toBe(false);
  expect(lately(undefined, NOW)).toBe(false);
  expect(wasByItself({ kind: "rollback", actor: null })).toBe(false);
});

test("it says when, why and what to do now", () => {
  show(<RolledBack dagId="etl" release={BACK} before={2} />);
  const region = screen.getByRole("region", { name: "Rolled back by itself" });
  expect(region.textContent).toMatch(/^Rolled back by itself .*, because a run of build 2 failed \(nightly\)\./);
  expect(region.textContent).toContain("New runs take build 1, and the Dag is pinned.");
  expect(screen.getByRole("link", { name: "Compare with build 2" }).getAttribute("href")).toBe("/dags/etl/plugin/dag-releases?view=compare&from=b1&to=b2");
});

test.each([null, 1])("where the build that it left is %s nothing is compared", (before) => {
  show(<RolledBack dagId="etl" release={{ ...BACK, reason: null }} before={before} />);
  expect(screen.queryByRole("link")).toBeNull();
  expect(screen.getByTestId("rolled-back").textContent).toContain("because its watch said so");
});

test("a release under watch has a badge, and one whose watch is paused says so", () => {
  show(
    <>
      <WatchBadge watch={null} />
      <WatchBadge watch={{ ...WATCH }} />
      <WatchBadge watch={{ ...WATCH, state: "paused", words: "no other place is proven" }} />
    </>,
  );
  expect(screen.getByText("watched").title).toBe("3 of 5 runs ended well");
  expect(screen.getByText("watch paused").title).toBe("no other place is proven");
  expect(watchWords({ ...WATCH })).toBe("3 of 5 runs ended well; if it is worse: goes back to build 1 at c1");
  expect(watchWords({ ...WATCH, state: "paused" })).toBe("3 of 5 runs ended well");
});
