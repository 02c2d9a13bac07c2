// Whoever sends while a transfer is under way goes with the next one; nobody goes twice, is left behind or overtakes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Gatherer } from '../../../shared/bus/gatherer.ts';

it('sends each message once and in order, in transfers that keep their bounds, one at a time', async () => {
  const message = fc.record({ queue: fc.constantFrom('a', 'b'), bytes: fc.integer({ min: 1, max: 200_000 }), pause: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 400 }), async (messages) => {
      const sent: Record<string, number[]> = { a: [], b: [] };
      const underWay = new Set<string>();
      const gatherer = new Gatherer<number>(async (queue, batch) => {
        expect(underWay.has(queue)).toBe(false);
        underWay.add(queue);
        expect(batch.length).toBeLessThanOrEqual(100);
        const bytes = batch.reduce((sum, at) => sum + (messages[at]?.bytes ?? 0), 0);
        expect(batch.length === 1 || bytes <= 160_000).toBe(true);
        await new Promise(setImmediate);
        sent[queue]?.push(...batch);
        underWay.delete(queue);
      });
      const sends: Promise<void>[] = [];
      for (const [at, { queue, bytes, pause }] of messages.entries()) {
        sends.push(gatherer.send(queue, at, bytes));
        if (pause) await new Promise(setImmediate);
      }
      await Promise.all(sends);
      for (const queue of ['a', 'b']) expect(sent[queue]).toEqual([...messages.keys()].filter((at) => messages[at]?.queue === queue));
    }),
    { numRuns: 50 },
  );
});

it('fails those that were in the transfer that failed, and no others', async () => {
  let count = 0;
  const gatherer = new Gatherer<string>(async () => {
    count++;
    await new Promise(setImmediate);
    if (count === 2) throw new Error('refused');
  });
  const first = gatherer.send('q', 'first', 1);
  const second = gatherer.send('q', 'second', 100_000);
  const third = gatherer.send('q', 'third', 100_000);
  expect(await Promise.allSettled([first, second, third])).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected' },
    { status: 'fulfilled' },
  ]);
});
