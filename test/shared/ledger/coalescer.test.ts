// What happens again and again: told a bounded number of times a minute, and nothing is lost of the count.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Coalescer } from '../../../shared/ledger/coalescer.ts';

const minute = 60_000;

interface Told {
  readonly what: string;
  readonly attempts: number;
  readonly at: number;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('of any stream of attempts no minute tells more than it may, and all are counted in the end', () => {
  const steps = fc.array(fc.record({ subject: fc.constantFrom('a', 'b', 'c'), afterMs: fc.constantFrom(0, 0, 1, 500, 20_000, minute) }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), steps, (perWindow, attempts) => {
      const told: Told[] = [];
      const coalescer = new Coalescer<string>({ perWindow, windows: 10 }, (what, count) =>
        told.push({ what, attempts: count, at: Date.now() }),
      );
      for (const { subject, afterMs } of attempts) {
        vi.advanceTimersByTime(afterMs);
        coalescer.record(subject, subject);
      }
      const atWork = told.length;
      coalescer.flush();
      coalescer.flush();
      vi.advanceTimersByTime(3 * minute);
      for (const subject of ['a', 'b', 'c']) {
        const ofSubject = told.filter(({ what }) => what === subject);
        const made = attempts.filter((attempt) => attempt.subject === subject).length;
        expect(ofSubject.reduce((sum, each) => sum + each.attempts, 0)).toBe(made);
        const running = told.slice(0, atWork).filter(({ what }) => what === subject);
        for (const { at } of running)
          expect(running.filter((each) => each.at >= at && each.at < at + minute).length).toBeLessThanOrEqual(2 * perWindow);
      }
    }),
    { numRuns: 200 },
  );
});

test('of one a minute, a steady stream is told once a minute', () => {
  const told: number[] = [];
  const coalescer = new Coalescer<string>({ perWindow: 1, windows: 10 }, (_, attempts) => told.push(attempts));
  for (let second = 0; second < 300; second++) {
    coalescer.record('key', 'wrong');
    vi.advanceTimersByTime(1_000);
  }
  expect(told).toEqual([1, 59, 60, 60, 60, 60]);
});

test('beyond the bound all further subjects are told of as one', () => {
  const told: string[] = [];
  const coalescer = new Coalescer<string>({ perWindow: 1, windows: 3 }, (what) => told.push(what));
  for (let subject = 0; subject < 1_000; subject++) coalescer.record(`s${subject}`, `s${subject}`);
  expect(told).toEqual(['s0', 's1', 's2', 's3']);
  vi.advanceTimersByTime(minute);
  expect(told).toEqual(['s0', 's1', 's2', 's3', 's999']);
});
