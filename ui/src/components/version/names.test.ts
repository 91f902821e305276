import { expect, test } from "vitest";

import type { Version } from "src/api/versions";
import { anchorOf, boundBy, fullNameOf, nameOf } from "src/components/version/names";

const version = (more: Partial<Version>) => ({ label: null, bundle_version: "0a1b2c3d4e", ...more }) as Version;
const RELEASE = version({ key: "r5", kind: "release", release: 5, build: 3, label: "2.4.1" });
const TRIAL = version({ key: "t3", kind: "trial", release: null, build: 3 });
const BEFORE = version({ key: "v2", kind: "before", airflow_version: 2, bundle_version: null });

test("a trial has one short form, which says of which build it is", () => {
  expect(nameOf(TRIAL)).toBe("t3 (trial of build 3)");
  expect(fullNameOf(TRIAL)).toBe("t3 (trial of build 3, 0a1b2c3d)");
});

test("what runs of some dates have of a version is named by the tasks that it lacks", () => {
  const without = { ...RELEASE, key: "r5.2", absent: ["task_1_2020", "task_2_2020"] };
  expect(nameOf(without)).toBe("Release 5 without task_1_2020, task_2_2020");
  expect(fullNameOf(without)).toBe("Release 5 without task_1_2020, task_2_2020 (build 3, 2.4.1, 0a1b2c3d)");
  expect(nameOf({ ...without, absent: ["a", "b", "c", "d"] })).toBe("Release 5 without 4 tasks");
  expect(anchorOf(without)).toBe("r5");
  const trial = { ...TRIAL, key: "t3.1", absent: ["task_1_2020"] };
  expect(nameOf(trial)).toBe("t3 (trial of build 3) without task_1_2020");
  expect(fullNameOf(trial)).toBe("t3 (trial of build 3 without task_1_2020, 0a1b2c3d)");
});

test("a run that its date chose a build for says so", () => {
  expect(boundBy("era")).toBe("by the era of its date");
});

test("releases and versions from before are named as they were", () => {
  expect([nameOf(RELEASE), nameOf(BEFORE), nameOf(undefined, "r9")]).toEqual(["Release 5", "v2 (before Pinwheel)", "r9"]);
  expect(fullNameOf(RELEASE)).toBe("Release 5 (build 3, 2.4.1, 0a1b2c3d)");
});

test("a release and the build of a trial have a place on the Releases tab, others have none", () => {
  expect([anchorOf(RELEASE), anchorOf(TRIAL), anchorOf(BEFORE), anchorOf(undefined)]).toEqual(["r5", "b3", undefined, undefined]);
});
