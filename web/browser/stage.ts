// What a test starts: all of it ends with the test, and no page may have had a problem.

import { afterAll, afterEach, expect } from "vitest";
import { Engine } from "./engine";
import { Node } from "./node";
import { closeBrowser, type Visit, visit } from "./visit";

const engines: Engine[] = [];
const visits: Visit[] = [];
const nodes: Node[] = [];

export async function engine(...args: Parameters<typeof Engine.start>): Promise<Engine> {
  const started = await Engine.start(...args);
  engines.push(started);
  return started;
}

/** An engine with its generator inside; its clock stands still until the test moves it. */
export function demo(): Promise<Engine> {
  return engine({ command: "demo", args: ["--clock", "stdin", "--history", "2m", "--seed", "1", "--at", "1715690000"] });
}

export async function open(...args: Parameters<typeof visit>): Promise<Visit> {
  const opened = await visit(...args);
  visits.push(opened);
  return opened;
}

export async function node(...args: Parameters<typeof Node.connect>): Promise<Node> {
  const connected = await Node.connect(...args);
  nodes.push(connected);
  return connected;
}

afterEach(async () => {
  const problems = visits.flatMap((visit) => visit.problems);
  await Promise.all(visits.splice(0).map((visit) => visit.close()));
  await Promise.all(nodes.splice(0).map((node) => node.close()));
  await Promise.all(engines.splice(0).map((engine) => engine.stop()));
  expect(problems).toEqual([]);
});

afterAll(closeBrowser);
