// Sizes of boxes and widths of texts, so that drawing reads no layout.

/** Calls `changed` when a watched box takes another size; `of` is its last one. */
export function boxes(changed: () => void): { watch(node: Element): void; of(node: Element): { width: number; height: number } } {
  const sizes = new Map<Element, { width: number; height: number }>();
  const observer = new ResizeObserver((entries) => {
    for (const entry of entries) {
      sizes.set(entry.target, { width: entry.contentRect.width, height: entry.contentRect.height });
    }
    changed();
  });
  return {
    watch: (node) => observer.observe(node),
    of: (node) => sizes.get(node) ?? { width: 0, height: 0 },
  };
}

/** Widths of at most this many texts are kept. */
const MAX_KEPT = 5_000;

/** What a tabular digit is wider than the widest other, in pixels at 12 px. */
const TABULAR = 0.4;

/** Measures text in pixels. Digits count as tabular zeros: they are on the page, in the canvas they cannot be. */
export function ruler(font: () => string): { width(text: string): number; forget(): void } {
  const context = document.createElement("canvas").getContext("2d");
  const kept = new Map<string, number>();
  return {
    width(text) {
      const zeros = text.replace(/\d/g, "0");
      let width = kept.get(zeros);
      if (width === undefined) {
        if (context === null) {
          return 7 * text.length;
        }
        context.font = font();
        width = context.measureText(zeros).width + TABULAR * (zeros.split("0").length - 1);
        if (kept.size >= MAX_KEPT) {
          kept.clear();
        }
        kept.set(zeros, width);
      }
      return width;
    },
    forget: () => kept.clear(),
  };
}

/** Cuts a name in the middle until it fits; an IPv4 address is never cut. */
export function cut(name: string, fits: (text: string) => boolean): string {
  if (fits(name) || /^\d+\.\d+\.\d+\.\d+$/.test(name)) {
    return name;
  }
  const letters = Array.from(name);
  let [low, high] = [1, letters.length - 1];
  // The longest that fits, by the number of letters that stay; the end says more than the start.
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(shortened(letters, middle))) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return shortened(letters, low);
}

function shortened(letters: string[], stay: number): string {
  const tail = Math.floor(stay * 0.55);
  return `${letters.slice(0, stay - tail).join("")}…${letters.slice(letters.length - tail).join("")}`;
}
