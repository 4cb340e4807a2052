// Tests wait for what they want to see, never for a time.

export interface Patience {
  within?: number; // ms
  every?: number; // ms
}

/** Asks until the answer is neither false nor null nor undefined, and returns it. */
export async function until<T>(what: string, ask: () => T | Promise<T>, { within = 15_000, every = 50 }: Patience = {}): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + within;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) {
      return answer as Exclude<T, false | null | undefined>;
    }
    if (performance.now() > end) {
      throw new Error(`after ${within / 1000} s still not true: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
