// Speaks changes of state to those who listen: never rates, and at most one message in five seconds.

import type { StatusView } from "../data/protocol";
import type { State } from "../data/socket";
import { nodeName } from "../data/format";
import { write } from "../dom";

const PAUSE = 5_000; // ms

export function announcer(polite: Element, alarm: Element): (connection: State, lost: boolean, status: StatusView | null, now: number) => void {
  let phase = "";
  let states = new Map<string, string>();
  let waiting: string[] = [];
  let saidAt = -Infinity;

  return (connection, lost, status, now) => {
    const next = lost ? "lost" : connection.phase;
    if (next !== phase && (next === "connected" || next === "lost" || next === "outdated")) {
      write(alarm, next === "lost" ? "Connection to the engine lost." : next === "outdated" ? "The engine was updated; reload this page." : "");
      if (next === "connected") {
        waiting = [phase === "lost" ? "Connected again." : "Connected."];
      }
      phase = next;
    }
    if (status !== null) {
      const nodes = new Map(status.nodes.map((node) => [node.name, node.state as string]));
      for (const [name, state] of nodes) {
        const before = states.get(name);
        if (before !== undefined && before !== state && (state === "silent" || before === "silent")) {
          waiting.push(`${nodeName(name)} ${state === "silent" ? "is silent" : "is back"}.`);
        }
      }
      states = nodes;
    }
    if (waiting.length > 0 && now - saidAt >= PAUSE) {
      saidAt = now;
      write(polite, waiting.slice(-3).join(" "));
      waiting = [];
    }
  };
}
