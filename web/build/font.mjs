// Cuts the page's typeface from the `inter-ui` package: weights 400 to 650, one optical size, the characters the page sets.
//
// Writes `src/font/inter.woff2` (not checked in) and `public/inter-licence.txt`, the OFL text that must go along.
// Other letters in names from logs fall back to the system's typeface.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import subsetFont from "subset-font";

/** The largest file that the page's budget allows, in bytes. */
const LIMIT = 30_000;

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i)).join("");
const CHARACTERS = range(0x20, 0x7e) + range(0xa0, 0xff) + "…–—−≈≤≥←↑→↓‘’“”\u202f\u2009\ufffd";

const root = new URL("../", import.meta.url);
const source = new URL("node_modules/inter-ui/", root);
const whole = await readFile(new URL("variable/InterVariable.woff2", source));
const cut = await subsetFont(whole, CHARACTERS, {
  targetFormat: "woff2",
  variationAxes: { wght: { min: 400, max: 650 }, opsz: 14 },
  keepFeatures: ["kern", "calt", "tnum"],
  noHinting: true,
});
if (cut.length > LIMIT) {
  throw new Error(`the font takes ${cut.length} bytes, over the ${LIMIT} allowed`);
}
await mkdir(new URL("src/font/", root), { recursive: true });
await mkdir(new URL("public/", root), { recursive: true });
await writeFile(new URL("src/font/inter.woff2", root), cut);
await writeFile(new URL("public/inter-licence.txt", root), await readFile(new URL("LICENSE.txt", source)));
console.log(`inter.woff2: ${cut.length} bytes of ${whole.length}`);
