// The crosshair of the time series: which bucket it stands on, by pointer, by key or by tap.

export interface Crosshair {
  /** The place in pixels of the SVG, or the bucket that it stands on; null: there is none. */
  at: { x: number } | { bucket: number } | null;
}

export interface CrosshairOptions {
  /** The charts, all with the same left edge. */
  box: HTMLElement;
  charts: readonly SVGSVGElement[];
  /** Pixels left of the plot, in each of the charts. */
  left: () => number;
  /** The buckets drawn, by number, and the one under the crosshair. */
  span: () => { first: number; last: number; at: number | null };
  changed: () => void;
}

/** How far from the plot's edges the pointer still counts as in it. */
const SLACK = 6; // pixels

export function crosshair({ box, charts, left, span, changed }: CrosshairOptions): Crosshair {
  const cross: Crosshair = { at: null };
  let touched = false;

  function set(at: Crosshair["at"]): void {
    if (at !== null || cross.at !== null) {
      cross.at = at;
      changed();
    }
  }

  /** Where in the plot an event is; null outside of it. */
  function place(event: MouseEvent): number | null {
    const rect = charts[0]?.getBoundingClientRect();
    const x = event.clientX - (rect?.left ?? 0);
    return rect === undefined || x < left() - SLACK || x > rect.width + SLACK ? null : x;
  }

  box.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") {
      const x = place(event);
      set(x === null ? null : { x });
    }
  });
  box.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") {
      set(null);
    }
  });
  document.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
  document.addEventListener("click", (event) => {
    if (touched) {
      const x = event.target instanceof Node && box.contains(event.target) ? place(event) : null;
      set(x === null ? null : { x });
    }
  });
  box.addEventListener("focusout", (event) => {
    if (!(event.relatedTarget instanceof Node && box.contains(event.relatedTarget)) && !touched) {
      set(null);
    }
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (event.key === "Escape" && cross.at !== null) {
      event.stopPropagation();
      set(null);
      return;
    }
    const bucket = bucketFor(event.key, event.shiftKey, span());
    if (bucket !== null) {
      event.preventDefault();
      event.stopPropagation();
      set({ bucket });
    }
  });
  return cross;
}

/** The bucket that a key moves to; the first press stands at the end. */
export function bucketFor(key: string, far: boolean, { first, last, at }: { first: number; last: number; at: number | null }): number | null {
  if (last < first) {
    return null;
  }
  const by = far ? 10 : 1;
  const inside = (bucket: number): number => Math.max(first, Math.min(last, bucket));
  switch (key) {
    case "ArrowLeft":
      return at === null ? last : inside(at - by);
    case "ArrowRight":
      return at === null ? last : inside(at + by);
    case "Home":
      return first;
    case "End":
      return last;
    default:
      return null;
  }
}
