// Speaks changes of state to those who listen: never rates, and at most one message in five seconds.

import type { StatusView } from "../data/protocol";
import type { State } from "../data/socket";
import { type Changes, sentence, stands } from "../data/incidents";
import { nodeName } from "../data/format";
import { write } from "../dom";

const PAUSE = 5_000; // ms

export function announcer(polite: Element, alarm: Element): (connection: State, lost: boolean, status: StatusView | null, changes: Changes | null, now: number) => void {
  let phase = "";
  let states = new Map<string, string>();
  let incidents: Set<number> | null = null;
  let waiting: string[] = [];
  let saidAt = -Infinity;

  return (connection, lost, status, changes, now) => {
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
    if (changes !== null) {
      const standing = changes.incidents.filter((incident) => stands(incident) && incident.silentNode === null);
      for (const incident of standing) {
        if (incidents !== null && !incidents.has(incident.since)) {
          waiting.push(sentence(incident).map(({ text }) => text).join(""));
        }
      }
      const left = new Set(standing.map(({ since }) => since));
      if (incidents !== null && [...incidents].some((since) => !left.has(since))) {
        waiting.push("What was unusual is over.");
      }
      incidents = left;
    }
    if (waiting.length > 0 && now - saidAt >= PAUSE) {
      saidAt = now;
      write(polite, waiting.slice(-3).join(" "));
      waiting = [];
    }
  };
}
