// Looking at the page with invented data: apart from the unit tests, since it needs a browser.

import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: { include: ["test/look/look.ts"], testTimeout: 30_000, hookTimeout: 30_000, reporters: ["verbose"] },
});
