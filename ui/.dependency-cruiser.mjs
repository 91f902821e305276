/**
 * Which way imports may go: main → app and features → components → api's types. `npm run check` asks.
 * Tests are held to it as well.
 */

const SRC = "^src/";
const FEATURE = "^src/features/([^/]+)/";

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    {
      name: "api-imports-only-api",
      comment: "Questions to the server know nothing of what shows the answers, nor of React.",
      severity: "error",
      from: { path: "^src/api/" },
      to: { path: [SRC, "(^|/)node_modules/(react|react-dom|react-router-dom|@chakra-ui)/"], pathNot: "^src/api/" },
    },
    {
      name: "components-know-no-features",
      comment: "What several features show stands below all of them.",
      severity: "error",
      from: { path: "^src/components/" },
      to: { path: ["^src/features/", "^src/app/", "^src/main"] },
    },
    {
      name: "components-ask-nothing",
      comment: "Answers are handed to components: what asks is a feature. Of api they know types and errors.",
      severity: "error",
      from: { path: "^src/components/" },
      to: {
        path: ["^src/api/", "(^|/)node_modules/(@tanstack/react-query|openapi-fetch)/"],
        pathNot: "^src/api/errors",
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "features-keep-to-themselves",
      comment: "Another feature is used by its index; what two of them are made of moves to components.",
      severity: "error",
      from: { path: FEATURE },
      to: { path: "^src/features/", pathNot: ["^src/features/$1/", "^src/features/[^/]+/index\\.ts$"] },
    },
    {
      name: "features-know-no-frame",
      severity: "error",
      from: { path: "^src/features/" },
      to: { path: ["^src/app/", "^src/main"] },
    },
    {
      name: "app-knows-no-features",
      comment: "Only main puts features into the frame.",
      severity: "error",
      from: { path: "^src/app/" },
      to: { path: "^src/features/" },
    },
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "nothing-unknown",
      comment: "Else a misspelt import would be checked by no rule.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
  },
};
