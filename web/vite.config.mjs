// Builds the page into `dist/`: hashed names under `assets/`, nothing inline, so that the engine's Content-Security-Policy holds.

import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: { environment: "jsdom", include: ["test/**/*.test.ts"] },
});
