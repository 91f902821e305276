/** What pages say to do about a no: their own words and links, never something for a terminal. */
import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { cleanup, render, screen } from "@testing-library/react";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MemoryRouter } from "react-router-dom";
import { expect, test } from "vitest";

import { ApiError, PROBLEM_TYPES, remedyOf } from "src/api/errors";
import { ErrorState } from "src/components/states";

const PACKAGE = resolve(import.meta.dirname, "../../../src/pinwheel");
const COMMAND = /\b(pinwheel|airflow) [a-z]+|--[a-z]/;

/** Every type of problem that the server's code names. */
function typesOfTheServer(): string[] {
  const sources = ["core/problem.py", "api/errors.py"].map((path) => readFileSync(resolve(PACKAGE, path), "utf8"));
  return [...new Set(sources.flatMap((source) => source.match(/urn:pinwheel:[a-z-]+/g) ?? []))];
}

test("each type of problem that the server has is known to the pages", () => {
  expect(typesOfTheServer().length).toBeGreaterThan(6);
  expect([...PROBLEM_TYPES].sort()).toEqual(typesOfTheServer().sort());
});

const FACTS = [{}, { dag_id: "etl" }, { dag_id: "etl", build: 3, rejected_by: "grace" }, { dag_id: "etl", active_build: 3 }, { dag_ids: ["etl"] }];

test.each(PROBLEM_TYPES.flatMap((type) => FACTS.map((facts) => ({ type, facts }))))("nothing is to be typed into a terminal: $type $facts", ({ type, facts }) => {
  for (const remedy of ["See what exists: pinwheel builds etl", "Create them with: airflow db migrate", "Say why with a reason (--reason)", ""]) {
    render(
      <MemoryRouter>
        <ChakraProvider value={defaultSystem}>
          <ErrorState error={new ApiError(403, { type, failed: "Cannot promote etl", found: "build 3 is active", remedy, facts })} />
        </ChakraProvider>
      </MemoryRouter>,
    );
    const text = screen.getByRole("alert").textContent;
    expect(text).toContain("build 3 is active");
    expect(text).not.toMatch(COMMAND);
    cleanup();
  }
});

test("what the server says to do is kept where it is no command", () => {
  const remedy = "Numbers go from 1 to 2147483647";
  expect(remedyOf({ type: "urn:pinwheel:invalid-input", remedy })?.text).toBe(remedy);
  expect(remedyOf({ type: "urn:pinwheel:refused", remedy: "Ask whoever administers Airflow's roles" })?.text).toContain("roles");
});

test("a Dag without what was asked for leads to the page that shows what there is", () => {
  expect(remedyOf({ type: "urn:pinwheel:not-found", facts: { dag_id: "a/b" } as never })?.link?.to).toBe("/dags/a%2Fb/plugin/dag-releases");
});

test("no page has a command of Pinwheel in its own words", () => {
  const pages = readdirSync(resolve(import.meta.dirname, ".."), { recursive: true, encoding: "utf8" }).filter(
    (path) => path.endsWith(".tsx") && !path.includes(".test.") && !path.includes("testing"),
  );
  expect(pages.length).toBeGreaterThan(30);
  const telling = pages.filter((path) => /pinwheel [a-z-]/.test(readFileSync(resolve(import.meta.dirname, "..", path), "utf8")));
  expect(telling).toEqual([]);
});
