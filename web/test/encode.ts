// A small writer of the live stream's binary messages, for tests: the opposite of `src/data/protocol.ts`, kept apart from it.

export type Number64 = number | bigint;

export interface Body {
  head?: [index: number, change: Number64][];
  lists?: { index: number; ids: number[]; entering: [id: number, name: string][] }[];
  removed?: number[][];
  changed?: { key: number[]; values: (Number64 | undefined)[] }[];
  texts?: [index: number, text: string][];
}

export interface Head {
  type?: number;
  stream?: number;
  seq: number;
  tick?: number;
  asOf?: number;
}

export function varint(value: Number64): number[] {
  let left = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(left & 0x7fn);
    left >>= 7n;
    bytes.push(left > 0n ? low | 0x80 : low);
  } while (left > 0n);
  return bytes;
}

export function zigzag(value: Number64): number[] {
  const signed = BigInt.asIntN(64, BigInt(value));
  return varint((signed << 1n) ^ (signed >> 63n));
}

export function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...varint(bytes.length), ...bytes];
}

function keys(list: number[][]): number[][] {
  let before = list[0]?.length === 2 ? 0 : -1;
  return list.map(([first = 0, second]) => {
    const gap = second === undefined ? first - before - 1 : first - before;
    before = first;
    return [...varint(gap), ...(second === undefined ? [] : varint(second))];
  });
}

export function body({ head = [], lists = [], removed = [], changed = [], texts = [] }: Body): number[] {
  const out = [...varint(head.length)];
  let before = -1;
  for (const [index, change] of head) {
    out.push(...varint(index - before - 1), ...zigzag(change));
    before = index;
  }
  out.push(...varint(lists.length));
  for (const { index, ids, entering } of lists) {
    out.push(...varint(index), ...varint(ids.length), ...ids.flatMap(varint));
    out.push(...varint(entering.length), ...entering.flatMap(([id, name]) => [...varint(id), ...text(name)]));
  }
  out.push(...varint(removed.length), ...keys(removed).flat());
  const changedKeys = keys(changed.map((cell) => cell.key));
  out.push(...varint(changed.length));
  changed.forEach(({ values }, i) => {
    const mask = values.reduce<number>((bits, value, bit) => (value === undefined ? bits : bits | (1 << bit)), 0);
    out.push(...(changedKeys[i] ?? []), ...varint(mask), ...values.flatMap((value) => (value === undefined ? [] : zigzag(value))));
  });
  out.push(...varint(texts.length), ...texts.flatMap(([index, value]) => [...varint(index), ...text(value)]));
  return out;
}

/** A series' head, and its cells by the number of their bucket; a cell's values beyond those given are 0. */
export interface SeriesBody {
  step: number;
  first: number;
  newest: number;
  /** The first bucket that is not complete. */
  incomplete: number;
  coveredMs?: number;
  began?: number;
  cells?: Record<number, (Number64 | undefined)[]>;
}

/** The body of a snapshot of a series: both head and cells start from nothing. */
export function series({ step, first, newest, incomplete, coveredMs = 0, began = 0, cells = {} }: SeriesBody): Body {
  return {
    head: [step, first, newest, incomplete, coveredMs, began].map((value, i) => [i, value]),
    changed: Object.entries(cells).map(([bucket, values]) => ({ key: [Number(bucket)], values })),
  };
}

export function message({ type = 1, stream = 1, seq, tick = seq, asOf = 1_000 * seq }: Head, content: Body = {}): Uint8Array<ArrayBuffer> {
  return new Uint8Array([type, stream, seq, tick, asOf].flatMap(varint).concat(body(content)));
}
