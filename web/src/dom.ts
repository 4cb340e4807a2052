// Small hands for the document: elements from script, and writes only where something differs.

type Child = Node | string;

/** An element with attributes and children; strings become text, never markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The element that `selector` names; the page's own markup has it. */
export function find<E extends Element = HTMLElement>(selector: string, within: ParentNode = document): E {
  const node = within.querySelector<E>(selector);
  if (node === null) {
    throw new Error(`the page has no ${selector}`);
  }
  return node;
}

/** Sets text where it differs. */
export function write(node: Element, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** Sets an attribute where it differs; null takes it away. */
export function mark(node: Element, name: string, value: string | null): void {
  if (value === null) {
    if (node.hasAttribute(name)) {
      node.removeAttribute(name);
    }
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}
