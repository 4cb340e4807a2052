// Looks at every text on the page: is it inside the window, whole, apart from the others, large enough and of enough contrast.

import type { Page } from "playwright-core";

/** What is wrong with the layout, in words; an empty list is a good page. */
export function layout(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    interface Box {
      text: string;
      element: Element;
      left: number;
      right: number;
      top: number;
      bottom: number;
    }
    type Colour = [red: number, green: number, blue: number, alpha: number];
    const wrong = new Set<string>();
    const boxes: Box[] = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) {
      wrong.add(`the page is ${document.documentElement.scrollWidth} wide in a window of ${width}`);
    }

    const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
    const colour = (css: string): Colour => {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = css;
      pen.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = pen.getImageData(0, 0, 1, 1).data as unknown as Colour;
      return [red, green, blue, alpha / 255];
    };
    const over = (top: Colour, below: Colour): Colour => {
      const mix = (i: 0 | 1 | 2): number => top[i] * top[3] + below[i] * (1 - top[3]);
      return [mix(0), mix(1), mix(2), 1];
    };
    const light = (c: Colour): number => {
      const part = (value: number): number => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
    };
    const contrast = (a: Colour, b: Colour): number => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);

    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement as Element;
      const text = (node.textContent ?? "").trim();
      if (text === "" || element.closest(".unseen, .skip") !== null || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) {
        continue;
      }
      const style = getComputedStyle(element);
      const drawn = colour(element instanceof SVGElement ? style.fill : style.color);
      if (drawn[3] === 0) {
        continue;
      }
      const range = document.createRange();
      range.selectNodeContents(node);
      const rects = [...range.getClientRects()].filter((rect) => rect.width > 0.5 && rect.height > 0.5);
      const short = text.length > 40 ? `${text.slice(0, 40)}…` : text;
      const scrolled = element.closest("pre") !== null;
      if (rects.length > 0 && parseFloat(style.fontSize) < 10.99) {
        wrong.add(`'${short}' is ${style.fontSize} high`);
      }
      let ground: Colour = [0, 0, 0, 0];
      for (let at: Element | null = element; at !== null && ground[3] < 1; at = at.parentElement) {
        const next = colour(getComputedStyle(at).backgroundColor);
        ground = ground[3] === 0 ? next : next[3] === 0 ? ground : over(ground, next);
      }
      const ratio = contrast(over(drawn, ground), ground);
      if (rects.length > 0 && ratio < 4.5) {
        wrong.add(`'${short}' has a contrast of ${ratio.toFixed(2)}`);
      }
      for (const { left, right, top, bottom } of rects) {
        if (!scrolled && (left < -0.5 || right > width + 0.5)) {
          wrong.add(`'${short}' leaves the window: ${left.toFixed(0)} to ${right.toFixed(0)}`);
        }
        for (let at: Element | null = element; at !== null && at !== document.body && !scrolled; at = at.parentElement) {
          const { overflowX, textOverflow } = getComputedStyle(at);
          if (!(at instanceof SVGElement) && overflowX !== "visible" && textOverflow !== "ellipsis") {
            const box = at.getBoundingClientRect();
            if (left < box.left - 1 || right > box.right + 1 || bottom - 3 > box.bottom || top + 3 < box.top) {
              wrong.add(`'${short}' is clipped: ${left.toFixed(0)}–${right.toFixed(0)} in ${box.left.toFixed(0)}–${box.right.toFixed(0)}`);
            }
          }
          if (textOverflow === "ellipsis") {
            break;
          }
        }
        if (!scrolled) {
          // A line's box is higher than its letters.
          const lift = element.closest("g[transform], text") !== null ? 0.25 : 0.2;
          const flat = bottom - top > right - left && text.length > 3;
          const dy = flat ? 1 : lift * (bottom - top);
          const dx = flat ? lift * (right - left) : 1;
          boxes.push({ text: short, element, left: left + dx, right: right - dx, top: top + dy, bottom: bottom - dy });
        }
      }
    }
    boxes.sort((a, b) => a.left - b.left);
    boxes.forEach((a, i) => {
      for (const b of boxes.slice(i + 1)) {
        if (b.left >= a.right) {
          break;
        }
        const cut = a.element.closest("#engine-name") ?? b.element.closest("#engine-name");
        if (cut === null && b.top < a.bottom && a.top < b.bottom && !a.element.contains(b.element) && !b.element.contains(a.element)) {
          wrong.add(`'${a.text}' and '${b.text}' overlap`);
        }
      }
    });
    return [...wrong];
  });
}
