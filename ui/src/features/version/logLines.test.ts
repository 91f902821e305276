import { describe, expect, it } from "vitest";

import { flat, grouped } from "src/features/version/logLines";

const said = (event: string) => ({ event, timestamp: "2026-01-02T03:04:05Z", level: "info" });

describe("the lines of a log", () => {
  it("fold into the groups that the task made", () => {
    const found = grouped([said("::group::Sources"), "one", said("::endgroup::"), said("two"), "::group::", "three"], "UTC");
    expect(found).toEqual([
      { title: "Sources", lines: [{ text: "one", level: undefined }] },
      { text: expect.stringMatching(/^\[2026-01-02.* two$/), level: "info" },
      { title: "Group", lines: [{ text: "three", level: undefined }] },
    ]);
    expect(flat(found).map(({ text }) => text.split(" ").at(-1))).toEqual(["one", "two", "three"]);
  });

  it("say of a failure where it was and what it was", () => {
    const detail = [{ exc_type: "ValueError", exc_value: "no label", frames: [{ filename: "/dags/d.py", lineno: 7, name: "label" }] }];
    const [line] = flat(grouped([{ event: "Task failed", level: "error", error_detail: detail }, { event: "x", error_detail: null }], "UTC"));
    expect(line?.text).toBe('Task failed\n  File "/dags/d.py", line 7, in label\nValueError: no label');
  });

  it("are what they are where there are no groups, whatever they hold", () => {
    expect(flat(grouped([{ other: 1 }, "::endgroup::", ""], "UTC"))).toEqual([
      { text: '{"other":1}', level: undefined },
      { text: "", level: undefined },
    ]);
  });
});
