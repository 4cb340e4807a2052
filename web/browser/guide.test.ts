// The empty state: right for this machine, refusals said, gone with the first record.

import { expect, test } from "vitest";
import { engine, node, open } from "./stage";
import { replay } from "./engine";
import { agree } from "./agree";
import { until } from "./until";
import { stateOf, textOf, type Visit } from "./visit";

function facts({ page }: Visit): Promise<string[]> {
  return page.locator("#guide .facts dd").allTextContents();
}

const guided = (there: Visit): Promise<boolean> => until("the guide shows", async () => (await stateOf(there)) === "guide");

test("before the first record the guide shows this engine's addresses, and its texts can be copied", async () => {
  const host = await engine();
  const there = await open(host, { permissions: ["clipboard-read", "clipboard-write"] });
  const { page } = there;
  await guided(there);
  expect(await page.locator("#guide").isVisible()).toBe(true);
  expect(await page.locator("#data").isVisible()).toBe(false);
  const [collation, secret, attempt, own] = await facts(there);
  expect(collation).toBe(host.collation);
  expect(secret).toBe("default, change it");
  expect(attempt).toMatch(/^none since start/);
  expect(own).toBe(host.http);
  expect(await textOf(there, "#guide pre")).toContain(`- host: ${host.collation}\n`);
  const blocks = page.locator("#guide .steps li");
  // Three for Traffic Server 8, one for 9 and later.
  expect(await blocks.count()).toBe(4);
  expect(await blocks.last().locator("pre").textContent()).toBe("visulate --tail /var/log/trafficserver/squid.blog\n");
  for (const block of await blocks.all()) {
    await block.locator(".copy").click();
    await until("it is copied", async () => (await block.locator(".copy").textContent()) === "Copied");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(await block.locator("pre").textContent());
  }
});

test("without leave to copy, the text is selected", async () => {
  const there = await open(await engine(), { permissions: [] });
  await guided(there);
  await there.page.evaluate(() => {
    Object.defineProperty(navigator.clipboard, "writeText", { value: () => Promise.reject(new Error("forbidden")) });
  });
  await there.page.locator(".copy").first().click();
  await until("it is selected", async () => (await textOf(there, ".copy")) === "Selected");
  expect(await there.page.evaluate(() => getSelection()?.toString().trim())).toBe((await textOf(there, "#guide pre")).trim());
});

test("a wrong secret is refused and the guide says so; the right one fills the page", async () => {
  const host = await engine({ env: { VISULATE_SECRET: "the right one" } });
  const there = await open(host);
  await guided(there);
  expect((await facts(there))[1]).toBe("set");
  await node(host.collation, "edge-a", "the wrong one");
  await until("the refusal shows", async () => /from 127\.0\.0\.1.*refused: wrong secret$/.test((await facts(there))[2] ?? ""));
  expect(await stateOf(there)).toBe("guide");
  await until("it is counted", async () => (await textOf(there, '[data-item="rejected"] .number')) === "1");
  await there.page.locator('[data-item="rejected"] button').click();
  expect(await textOf(there, "#rejections li")).toContain("wrong secret: 1 connection");
  await there.page.keyboard.press("Escape");
  expect(await there.page.locator("#rejections").isVisible()).toBe(false);
  await replay(host, "ats-8.1-collation-squid", "--secret", "the right one");
  await until("the first record replaces the guide", async () => (await stateOf(there)) === "live");
  expect(await there.page.locator("#guide").isVisible()).toBe(false);
  expect((await agree(there, host)).rejected).toBe(1);
});
