// The engine dies and comes back: the page says so at once, returns by itself, and begins anew.

import { expect, test } from "vitest";
import { agree, counted } from "./agree";
import { Engine, replay } from "./engine";
import { layout } from "./layout";
import { engine, open } from "./stage";
import { until } from "./until";
import { stateOf, textOf, type Visit } from "./visit";

/** A connection that nobody takes is an error to Chromium, whatever the page does about it. */
const expected = /WebSocket connection to 'ws:\/\/[^']+' failed/;

const SQUID = "ats-8.1-collation-squid";
const OTHER = "ats-8.1-collation-two-objects.conn1-squid";

function phase({ page }: Visit): Promise<string | null> {
  return page.locator('[data-item="connection"]').getAttribute("data-phase");
}

function colour({ page }: Visit): Promise<string> {
  return page.evaluate(() => getComputedStyle(document.querySelector("#data") as Element).filter);
}

/** Kills the engine and sees the page notice it; returns the words of its notice. */
async function lose(there: Visit, host: Engine): Promise<string> {
  const dead = host.kill();
  const killed = performance.now();
  await until("the page notices", async () => (await phase(there)) !== "connected" && (await there.page.locator("#data[data-lost]").count()) === 1, { within: 2_000 });
  expect(performance.now() - killed).toBeLessThan(2_000);
  await dead;
  expect(await textOf(there, '[data-item="connection"] .word')).toMatch(/^Reconnecting/);
  expect(await colour(there)).toBe("grayscale(1)");
  const notice = await textOf(there, '#notices [data-notice="lost"]');
  expect(notice).toContain("Connection to the engine lost");
  return notice;
}

/** After the restart: nothing of the last run is left, a feed counts from zero, one socket is open. */
async function anew(there: Visit, host: Engine): Promise<void> {
  await until("the page came back", async () => (await phase(there)) === "connected", { within: 40_000 });
  await until("a new run begins with the guide", async () => (await stateOf(there)) === "guide");
  expect(await there.page.locator("#data[data-lost]").count()).toBe(0);
  expect(await colour(there)).toBe("none");
  expect(await there.page.locator('#notices [data-notice="lost"]').count()).toBe(0);
  const sent = await replay(host, OTHER);
  await counted(host, sent);
  const shown = await agree(there, host);
  for (const { rows } of [shown.sites, shown.clients]) {
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
  }
  expect(shown.sites.rows.reduce((sum, row) => sum + row.value, shown.sites.others.value)).toBe(sent);
  expect(there.sockets.filter((socket) => !socket.isClosed())).toHaveLength(1);
}

async function fed(chance?: number): Promise<[Engine, Visit]> {
  const host = await engine();
  const there = await open(host, { expected, ...(chance === undefined ? {} : { chance }) });
  const sent = await replay(host, SQUID);
  await counted(host, sent);
  await agree(there, host);
  return [host, there];
}

test("the page comes back by itself after attempts that failed", async () => {
  const [host, there] = await fed();
  await lose(there, host);
  // The restart waits until an attempt has failed, so that the wait has grown.
  const attempt = async (): Promise<number> => Number(/Attempt (\d+)/.exec(await textOf(there, '#notices [data-notice="lost"]'))?.[1] ?? 0);
  await until("an attempt failed", async () => (await attempt()) >= 2, { within: 10_000 });
  const wait = Number(/follows in (\d+)/.exec(await textOf(there, '#notices [data-notice="lost"]'))?.[1] ?? 0);
  expect(wait).toBeLessThanOrEqual(10);
  await anew(there, await engine({ collation: host.collation, http: host.http }));
});

test("the button reconnects at once", async () => {
  // Nearly the longest wait: without the button the page would be away for five seconds.
  const [host, there] = await fed(0.999);
  const lostAt = performance.now();
  expect(await lose(there, host)).toMatch(/Attempt 1 follows in 5\u202fs; the longest wait is 160\u202fs\./);
  expect(await there.page.locator("#sites tbody tr").count()).toBe(12);
  const next = await engine({ collation: host.collation, http: host.http });
  await there.page.locator('#notices [data-notice="lost"] button').click();
  await until("the page came back", async () => (await phase(there)) === "connected", { within: 4_500 });
  expect(performance.now() - lostAt).toBeLessThan(4_900);
  await anew(there, next);
});

test("without the connection the page stays readable at every width", async () => {
  const [host, there] = await fed(0.999);
  await lose(there, host);
  for (const width of [1440, 820, 390, 320]) {
    await there.page.setViewportSize({ width, height: 900 });
    let wrong: string[] = [];
    await until("the layout holds", async () => (wrong = await layout(there.page)).length === 0, { within: 3_000 }).catch(() => {});
    expect.soft(wrong, `layout at ${width}`).toEqual([]);
  }
});
