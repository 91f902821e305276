import { ChakraProvider, defaultSystem } from "@chakra-ui/react";
import { render, screen } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter } from "react-router-dom";
import { expect, test } from "vitest";

import type { Version } from "src/api/versions";
import { DagScope } from "src/components/dag";
import { BuildLabel, ReleaseLabel } from "src/components/labels";
import { VersionFacts, VersionMark } from "src/components/version/VersionFacts";

function show(what: ReactNode, dagId?: string) {
  render(
    <MemoryRouter>
      <ChakraProvider value={defaultSystem}>
        <DagScope value={dagId}>{what}</DagScope>
      </ChakraProvider>
    </MemoryRouter>,
  );
}

const where = (name: string) => screen.getByRole("link", { name }).getAttribute("href");
const VERSION = {
  key: "r3",
  kind: "release",
  release: 3,
  build: 2,
  label: null,
  bundle: "shop",
  bundle_version: "0a1b2c3d",
  author: "Ada Example <ada@shop.example>",
  message: "Lower the fees\n\nAll of them.",
  committed_at: null,
  path: "d.py",
  released_at: "2026-11-21T12:00:00+00:00",
  released_by: "pinwheel",
  release_kind: "auto",
  reason: "Lower the fees",
  url: "https://git.example/0a1b2c3d",
} as Version;

test("releases, builds and versions lead to their rows on the Releases tab of the page's Dag", () => {
  show(
    <>
      <ReleaseLabel release={3} active />
      <BuildLabel build={2} />
      <VersionMark version={{ ...VERSION, release: 4 }} keyName="r4" />
      <VersionMark version={{ ...VERSION, key: "t9", kind: "trial", build: 9 }} keyName="t9" />
    </>,
    "a b/c",
  );
  const tab = "/dags/a%20b%2Fc/plugin/dag-releases";
  expect(where("Release 3")).toBe(`${tab}#r3`);
  expect(where("Build 2")).toBe(`${tab}#b2`);
  expect(where("Release 4")).toBe(`${tab}#r4`);
  expect(where("t9 (trial of build 9)")).toBe(`${tab}#b9`);
});

test("on a page of many Dags a label leads to its own Dag, and is only text where it has none", () => {
  show(
    <>
      <ReleaseLabel release={3} dagId="etl" />
      <BuildLabel build={2} />
    </>,
  );
  expect(where("Release 3")).toBe("/dags/etl/plugin/dag-releases#r3");
  expect(screen.queryByRole("link", { name: "Build 2" })).toBeNull();
});

test("the facts of a version name the commit's author once and without the address, and repeat no reason", () => {
  show(<VersionFacts dagId="etl" version={VERSION} active />, "etl");
  const facts = screen.getByTestId("version-r3");
  expect(facts.textContent).toContain("released by itself");
  expect(facts.textContent).toContain("Ada Example: Lower the fees");
  expect(facts.textContent).not.toContain("ada@shop.example");
  expect(facts.textContent).not.toContain("Reason");
  expect(facts.textContent).toContain("Airflow calls it v3.");
});

test("a reason of its own is told", () => {
  show(<VersionFacts dagId="etl" version={{ ...VERSION, release_kind: "rollback", released_by: "grace", reason: "wrong totals" }} active />, "etl");
  const facts = screen.getByTestId("version-r3");
  expect(facts.textContent).toContain("Reasonwrong totals");
  expect(facts.textContent).toContain("released by grace");
});
