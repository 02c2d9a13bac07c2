// Trying again stays inside its bounds of tries and time, and never begins where the failure is final.
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';

const clock = { at: 0, waits: [] as number[], chance: 1 };
vi.mock('../../../shared/clock/clock.ts', () => ({
  now: () => clock.at,
  chance: () => clock.chance,
  wait: async (ms: number) => {
    clock.waits.push(ms);
    clock.at += ms;
  },
}));
const { dependencyRetry, retrying } = await import('../../../shared/clock/retry.ts');

afterEach(() => Object.assign(clock, { at: 0, waits: [], chance: 1 }));

/** Fails each time, and says how often it was tried. */
async function failing(bounds: Parameters<typeof retrying>[0], judge: Parameters<typeof retrying>[1], takesMs = 0): Promise<number> {
  let tries = 0;
  const failure = new Error('no');
  const attempt = async (count: number) => {
    tries += 1;
    expect(count).toBe(tries);
    clock.at += takesMs;
    throw failure;
  };
  await expect(retrying(bounds, judge, attempt)).rejects.toBe(failure);
  return tries;
}

const again = () => ({ again: true }) as const;

describe('trying again', () => {
  it('ends with the first success', async () => {
    const answer = await retrying(dependencyRetry, again, async (count) => {
      if (count < 3) throw new Error('no');
      return `after ${count}`;
    });
    expect(answer).toBe('after 3');
    expect(clock.waits).toHaveLength(2);
  });

  it('does not begin when the failure is final', async () => {
    expect(await failing(dependencyRetry, () => ({ again: false }))).toBe(1);
    expect(clock.waits).toEqual([]);
  });

  it('ends when the failure becomes final', async () => {
    let judged = 0;
    expect(await failing(dependencyRetry, () => (++judged < 3 ? { again: true } : { again: false }))).toBe(3);
  });

  it('doubles its longest wait up to a second', async () => {
    expect(await failing({ tries: 9, withinMs: 60_000, baseMs: 25 }, again)).toBe(9);
    expect(clock.waits).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  it('waits a random part of that', async () => {
    clock.chance = 0.5;
    await failing({ tries: 3, withinMs: 60_000, baseMs: 100 }, again);
    expect(clock.waits).toEqual([50, 100]);
  });

  it('waits as long as it was asked to', async () => {
    await failing({ tries: 3, withinMs: 60_000, baseMs: 25 }, () => ({ again: true, afterMs: 2_500 }));
    expect(clock.waits).toEqual([2_500, 2_500]);
  });

  it('does not wait for a try that would come too late', async () => {
    expect(await failing(dependencyRetry, () => ({ again: true, afterMs: 60_000 }))).toBe(1);
    expect(clock.waits).toEqual([]);
  });

  it('stays inside its bounds, whatever the failures ask for and however long the tries take', async () => {
    const bounds = fc.record({ tries: fc.integer({ min: 1, max: 12 }), withinMs: fc.nat(10_000), baseMs: fc.nat(500) });
    await fc.assert(
      fc.asyncProperty(
        bounds,
        fc.option(fc.nat(5_000), { nil: undefined }),
        fc.nat(3_000),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (limit, afterMs, takes, chance) => {
          Object.assign(clock, { at: 0, waits: [], chance });
          const tries = await failing(limit, () => ({ again: true, ...(afterMs !== undefined && { afterMs }) }), takes);
          expect(tries).toBeLessThanOrEqual(limit.tries);
          const lastStart = clock.at - takes;
          expect(lastStart).toBeLessThanOrEqual(tries === 1 ? 0 : limit.withinMs);
        },
      ),
    );
  });
});

it('asks the services we stand on six times within eight seconds', () => {
  expect(dependencyRetry).toMatchObject({ tries: 6, withinMs: 8_000 });
});
