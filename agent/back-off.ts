// How long to wait before the next try: twice as long each time up to a bound, never in step with other agents that lost the same thing.

const firstMs = 250;
const longestMs = 10_000;

/** Milliseconds after the so-maniest failure in a row, the first being 1. */
export function backOffMs(failures: number): number {
  const longest = Math.min(longestMs, firstMs * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}
