import { readdirSync, rmSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What Airflow's UI puts on globalThis for plugins. Never bundled: two Reacts on one page do not work. */
const HOST: Record<string, string> = {
  react: "React",
  "react-dom": "ReactDOM",
  "react/jsx-runtime": "ReactJSXRuntime",
  "react-router-dom": "ReactRouterDOM",
  "@chakra-ui/react": "ChakraUI",
  "@emotion/react": "EmotionReact",
};
const NAME = /^[A-Za-z_$][\w$]*$/;

/** Makes imports of these modules read the host's, by the names that the installed ones export. */
function fromTheHost(): Plugin {
  return {
    name: "from-the-host",
    enforce: "pre",
    apply: "build",
    resolveId: (id) => (id in HOST ? `\0host:${id}` : null),
    async load(id) {
      if (!id.startsWith("\0host:")) return null;
      const module = id.slice("\0host:".length);
      const names = Object.keys((await import(module)) as object).filter((name) => NAME.test(name) && name !== "default");
      return [
        `const host = globalThis.${HOST[module]};`,
        "const get = (name) => host[name];", // Marked as pure, so that what nobody imports is left out.
        "export default host;",
        ...names.map((name) => `export const ${name} = /* @__PURE__ */ get("${name}");`),
      ].join("\n");
    },
  };
}

const OUT = resolve(import.meta.dirname, "../src/pinwheel/ui_dist");
const KEPT_MS = 60 * 60 * 1000;

/** Deletes chunks of former builds, but not at once: a page that is open may still want to load one. */
function removeOldChunks(): Plugin {
  return {
    name: "remove-old-chunks",
    writeBundle(_options, bundle) {
      const assets = resolve(OUT, "assets");
      for (const name of readdirSync(assets)) {
        const file = resolve(assets, name);
        if (!(`assets/${name}` in bundle) && Date.now() - statSync(file).mtimeMs > KEPT_MS) rmSync(file);
      }
    },
  };
}

export default defineConfig({
  base: "./", // The server may be mounted below any path, so chunks are found relative to each other.
  resolve: { alias: { src: resolve(import.meta.dirname, "src") } },
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: OUT,
    emptyOutDir: false,
    target: "es2022",
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { main: resolve(import.meta.dirname, "src/main.tsx") },
      checks: { pluginTimings: false },
      onLog(level, log, handle) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") handle(level, log); // "use client" means nothing here.
      },
      preserveEntrySignatures: "strict",
      output: {
        format: "es",
        // One fixed name, which the plugin tells Airflow; all else is named by its content.
        entryFileNames: "[name].js",
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  plugins: [fromTheHost(), removeOldChunks()],
  test: {
    environment: "happy-dom",
    setupFiles: "src/testSetup.ts",
    include: ["src/**/*.test.{ts,tsx}"],
    testTimeout: 60_000, // A busy machine is no fault.
    isolate: false, // Each file by itself would evaluate Chakra again: two thirds of all the time.
  },
});
