// Labels beside a chart: each as near as it can be to what it names, none on another.

/**
 * Spreads heights that ascend to a pitch, with the least movement (of squares), inside `from` to `to`.
 * With less room than the labels need, the pitch shrinks.
 */
export function spread(wanted: readonly number[], pitch: number, from: number, to: number): number[] {
  const gap = Math.min(pitch, wanted.length > 1 ? Math.max(0, to - from) / (wanted.length - 1) : pitch);
  // Apart by the pitch is ascending once the pitch is taken off: neighbours that do not ascend share their mean.
  const groups: { mean: number; size: number }[] = [];
  wanted.forEach((height, i) => {
    let group = { mean: height - i * gap, size: 1 };
    for (let last = groups.at(-1); last !== undefined && last.mean >= group.mean; last = groups.at(-1)) {
      groups.pop();
      const size = last.size + group.size;
      group = { mean: (last.mean * last.size + group.mean * group.size) / size, size };
    }
    groups.push(group);
  });
  const limit = to - (wanted.length - 1) * gap;
  const flat = groups.flatMap(({ mean, size }) => Array.from({ length: size }, () => Math.max(from, Math.min(limit, mean))));
  return flat.map((height, i) => height + i * gap);
}
