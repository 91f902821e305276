/** That `npm run check` fails on an import that goes the wrong way: each rule on an import that breaks it. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { expect, test } from "vitest";

const UI = resolve(import.meta.dirname, "..");
const RULES = ".dependency-cruiser.mjs";

interface Violation {
  from: string;
  rule: { name: string };
}

/** The rules that each of these files breaks, beside which stand some that may be imported. */
function broken(files: Record<string, string>): Record<string, string[]> {
  const root = mkdtempSync(join(tmpdir(), "directions-"));
  try {
    for (const name of [RULES, "tsconfig.json", "package.json"]) copyFileSync(join(UI, name), join(root, name));
    symlinkSync(join(UI, "node_modules"), join(root, "node_modules"));
    for (const [name, text] of Object.entries({ ...THERE, ...files })) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    const cruise = join(UI, "node_modules/.bin/depcruise");
    const args = [cruise, "--config", RULES, "--output-type", "json", "src"];
    const { summary } = JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" })) as { summary: { violations: Violation[] } };
    const found: Record<string, string[]> = {};
    for (const { from, rule } of summary.violations) found[from] = [...(found[from] ?? []), rule.name];
    return found;
  } finally {
    rmSync(root, { recursive: true });
  }
}

const THERE = {
  "src/api/dags.ts": "export type Dag = string;\nexport const dagQuery = 1;\n",
  "src/api/errors.ts": "export class ApiError extends Error {}\n",
  "src/app/page.tsx": "export const page = 1;\n",
  "src/components/Time.tsx": "export const Time = 1;\n",
  "src/features/fleet/Fleet.tsx": "export const Fleet = 1;\n",
  "src/features/fleet/index.ts": 'export { Fleet } from "src/features/fleet/Fleet";\n',
};

test("an import that goes the wrong way is refused by name", () => {
  expect(
    broken({
      "src/api/a.ts": 'import { Time } from "src/components/Time";\nTime;\n',
      "src/api/b.ts": 'import type { Fleet } from "src/features/fleet";\nexport type F = typeof Fleet;\n',
      "src/api/c.ts": 'import { useMemo } from "react";\nuseMemo;\n',
      "src/components/A.tsx": 'import { Fleet } from "src/features/fleet";\nFleet;\n',
      "src/components/B.tsx": 'import { useQuery } from "@tanstack/react-query";\nuseQuery;\n',
      "src/components/C.tsx": 'import { dagQuery } from "src/api/dags";\ndagQuery;\n',
      "src/components/D.tsx": 'const later = () => import("src/features/fleet/Fleet");\nlater;\n',
      "src/features/history/A.tsx": 'import { Fleet } from "src/features/fleet/Fleet";\nFleet;\n',
      "src/features/history/B.tsx": 'import { page } from "src/app/page";\npage;\n',
      "src/features/history/C.tsx": 'import { D } from "src/features/history/D";\nexport const C = D;\n',
      "src/features/history/D.tsx": 'import { C } from "src/features/history/C";\nexport const D = C;\n',
      "src/features/history/E.tsx": 'import { nothing } from "src/nowhere";\nnothing;\n',
      "src/app/A.tsx": 'import { Fleet } from "src/features/fleet";\nFleet;\n',
    }),
  ).toEqual({
    "src/api/a.ts": ["api-imports-only-api"],
    "src/api/b.ts": ["api-imports-only-api"],
    "src/api/c.ts": ["api-imports-only-api"],
    "src/components/A.tsx": ["components-know-no-features"],
    "src/components/B.tsx": ["components-ask-nothing"],
    "src/components/C.tsx": ["components-ask-nothing"],
    "src/components/D.tsx": ["components-know-no-features"],
    "src/features/history/A.tsx": ["features-keep-to-themselves"],
    "src/features/history/B.tsx": ["features-know-no-frame"],
    "src/features/history/C.tsx": ["no-circle"],
    "src/features/history/E.tsx": ["nothing-unknown"],
    "src/app/A.tsx": ["app-knows-no-features"],
  });
});

test("what stands lower, another feature's index, and types and errors of api may be imported", () => {
  expect(
    broken({
      "src/components/A.tsx": 'import type { Dag } from "src/api/dags";\nimport { ApiError } from "src/api/errors";\nexport type D = Dag;\nApiError;\n',
      "src/features/history/A.tsx": 'import { dagQuery } from "src/api/dags";\nimport { Time } from "src/components/Time";\nimport { Fleet } from "src/features/fleet";\nFleet;\nTime;\ndagQuery;\n',
      "src/main.tsx": 'import { page } from "src/app/page";\nconst later = () => import("src/features/fleet/Fleet");\npage;\nlater;\n',
    }),
  ).toEqual({});
});
