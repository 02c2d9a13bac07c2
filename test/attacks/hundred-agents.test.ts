// Seed 001's load test: a hundred agents in ten tenants that name everything alike, all talking at once over two hosts, each with a canary in everything
// that is its tenant's. `npm run load` does the same for as many as asked.
import { expect, inject, test } from 'vitest';
import { runLoad } from '../../bench/load/run.ts';

const local = inject('local');

test('nothing of one tenant is ever in the hands of another, and everything arrives', async () => {
  const { leaks, leaksShown, lost, repeated, refusedSends, accepted, arrived, attempts, jain } = await runLoad(local, {
    tenants: 10,
    agents: 100,
    pushed: 0.3,
    seconds: 25,
    messages: 800,
    senders: 16,
    listeners: 100,
    patienceSeconds: 30,
  });
  expect({ leaks, leaksShown, lost, repeated, refusedSends }).toEqual({ leaks: 0, leaksShown: [], lost: 0, repeated: 0, refusedSends: {} });
  expect(arrived).toBe(accepted);
  expect(accepted).toBeGreaterThan(100);
  expect(attempts).toBeGreaterThan(20);
  // All offer the same, so all get the same.
  expect(jain).toBeGreaterThan(0.9);
}, 120_000);
