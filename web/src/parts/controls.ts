// The controls: switches (groups of radio buttons, so one tab stop each and arrows inside), the theme, the list of keys.

import { element, mark, write } from "../dom";

export interface Choice<T extends string> {
  value: T;
  text: string;
}

/** Fills a fieldset with one radio button a choice; returns what shows the choice made. */
export function choices<T extends string>(group: HTMLElement, list: readonly Choice<T>[], onChoose: (value: T) => void): (value: T) => void {
  const inputs = list.map(({ value, text }) => {
    const input = element("input", { type: "radio", name: group.id, value });
    input.addEventListener("change", () => onChoose(value));
    group.append(element("label", {}, input, element("span", {}, text)));
    return input;
  });
  return (value) => {
    for (const input of inputs) {
      input.checked = input.value === value;
    }
  };
}

/** The theme button. The choice is kept in `localStorage` as `auto`, `light` or `dark`; `auto` follows the system. */
export function theme(button: HTMLElement): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let choice = "auto";
  try {
    choice = localStorage.getItem("theme") ?? "auto";
  } catch {
    // A browser that keeps nothing still has a theme.
  }

  function dark(): boolean {
    return choice === "dark" || (choice !== "light" && system.matches);
  }

  function show(): void {
    mark(document.documentElement, "data-theme", choice === "dark" || choice === "light" ? choice : null);
    write(button, dark() ? "Light" : "Dark");
  }

  function toggle(): void {
    const next = dark() ? "light" : "dark";
    choice = (next === "dark") === system.matches ? "auto" : next;
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // As above.
    }
    show();
  }

  system.addEventListener("change", show);
  button.addEventListener("click", toggle);
  show();
  return toggle;
}

const KEYS: readonly (readonly [key: string, does: string])[] = [
  ["1 to 5", "window, from 1 min to since start"],
  ["r", "measure: requests"],
  ["b", "measure: bytes"],
  ["d", "dark or light"],
  ["Left, Right", "crosshair by one point (Shift: ten); rank window by one; cell in the circles"],
  ["Up, Down", "time series; row in a table; cell in the circles"],
  ["PageUp, PageDown", "rank window by one table"],
  ["Home, End", "crosshair or rank window to the ends"],
  ["t", "time series as a table"],
  ["Esc", "close; crosshair away"],
  ["?", "this list"],
];

/** The list of keys, with the switch for single letters (WCAG 2.1.4); tells `letters` whether they work. */
export function keyList(dialog: HTMLDialogElement, button: HTMLElement): { open(): void; letters(): boolean } {
  const letters = element("input", { type: "checkbox", id: "keys-letters" });
  letters.checked = true;
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.append(
    element("h2", { id: "keys-title" }, "Keys"),
    element("dl", {}, ...KEYS.map(([key, does]) => element("div", {}, element("dt", {}, key), element("dd", {}, does)))),
    element("label", {}, letters, " Single letters work as keys"),
    close,
  );
  const open = (): void => {
    if (!dialog.open) {
      dialog.showModal();
    }
  };
  button.addEventListener("click", open);
  return { open, letters: () => letters.checked };
}

/** Runs what a key stands for, unless a text field has the focus or a modifier is down. */
export function keys(actions: Record<string, () => void>, letters: () => boolean): void {
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    const typing = event.target instanceof HTMLInputElement && event.target.type === "text";
    if (action === undefined || typing || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]") !== null) {
      return;
    }
    if (event.key.length > 1 || letters()) {
      event.preventDefault();
      action();
    }
  });
}
