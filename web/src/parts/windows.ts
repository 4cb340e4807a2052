// The windows in words.

import type { Window } from "../data/protocol";
import type { Shown } from "../data/store";
import type { Choice } from "./controls";

export const WINDOW_CHOICES: readonly Choice<Window>[] = [
  { value: "1m", text: "1 min" },
  { value: "10m", text: "10 min" },
  { value: "1h", text: "1 h" },
  { value: "24h", text: "24 h" },
  { value: "total", text: "since start" },
];

const THIS: Record<Window, string> = {
  "1m": "in this minute",
  "10m": "in these 10 minutes",
  "1h": "in this hour",
  "24h": "in these 24 hours",
  total: "since the start",
};

export function thisWindow(window: Window): string {
  return THIS[window];
}

/** `of 24 h`, `since start`. */
export function ofWindow(window: Window): string {
  const text = WINDOW_CHOICES.find(({ value }) => value === window)?.text ?? window;
  return window === "total" ? text : `of ${text}`;
}

/** What a heading adds when its data are of another window than the one asked for: `, since start`. */
export function otherWindow(shown: Shown | null, wanted: Window): string {
  const window = shown?.of.window ?? wanted;
  return window === wanted ? "" : `, ${ofWindow(window)}`;
}

/** What makes a window's sum a rate; since start it stays a sum. */
export function perSecond(window: Window, coveredMs: number): number {
  return window === "total" ? 1 : coveredMs > 0 ? 1000 / coveredMs : 0;
}
