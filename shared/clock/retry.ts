// One way to try again: exponential back-off with full jitter inside a bound of tries and time.
import { chance, now, wait } from './clock.ts';

export interface RetryBounds {
  /** All tries together, the first included. */
  readonly tries: number;
  /** No new try starts later than this after the first, in milliseconds. */
  readonly withinMs: number;
  /** The longest wait before the second try, in milliseconds; it doubles from try to try up to 1 s. */
  readonly baseMs: number;
}

/** For calls to the services we stand on: six tries inside eight seconds. */
export const dependencyRetry: RetryBounds = { tries: 6, withinMs: 8_000, baseMs: 25 };

/** A failure as the caller of `retrying` sees it: whether to try again, and how long the other side asked to wait. */
export type Verdict = { readonly again: false } | { readonly again: true; readonly afterMs?: number };

/** Runs `attempt` until it succeeds, `judge` says the failure is final, or the bounds are reached; then the last failure is thrown. */
export async function retrying<T>(
  bounds: RetryBounds,
  judge: (error: unknown) => Verdict,
  attempt: (count: number) => Promise<T>,
): Promise<T> {
  const start = now();
  for (let count = 1; ; count++) {
    try {
      return await attempt(count);
    } catch (error) {
      const verdict = judge(error);
      if (!verdict.again || count >= bounds.tries) throw error;
      const pause = verdict.afterMs ?? Math.min(1_000, bounds.baseMs * 2 ** (count - 1)) * chance();
      if (now() + pause - start > bounds.withinMs) throw error;
      await wait(pause);
    }
  }
}
