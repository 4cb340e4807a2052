// Builds what a report file holds into `dist/report/`: one script and one style sheet, with the typeface in it, since nothing is fetched.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    outDir: "dist/report",
    assetsInlineLimit: 100_000,
    reportCompressedSize: false,
    lib: {
      entry: fileURLToPath(new URL("src/report/main.ts", import.meta.url)),
      formats: ["iife"],
      name: "visulateReport",
      fileName: () => "report.js",
      cssFileName: "report",
    },
  },
});
