// A tenant's answers while another makes 10,000 cross-tenant attempts at it. The floor is the same tenant's answers while that other makes as many calls of its
// own that are allowed: what sharing an instance costs anyway. Its ledger may not grow by one event.
import { dataFolder, newTenant, startFlowGrid } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';

const attempts = 10_000;
const attackers = 8;
const rounds = 5;
const goal = 1.2;

export async function bench(): Promise<Figure[]> {
  const folder = dataFolder();
  const flowGrid = await startFlowGrid(folder.path, '--ephemeral');
  try {
    const { api } = flowGrid.local;
    const [victim, intruder] = [await newTenant(flowGrid.local), await newTenant(flowGrid.local)];
    const eventsOf = async () => {
      const { items } = await victim.owner.ask<{ items: unknown[] }>('GET', `/tenants/${victim.id}/audit?limit=200`);
      return items.length;
    };
    const before = await eventsOf();
    const allowed: number[] = [];
    const attacked: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const calm = await measured(api, victim.key, `/tenants/${intruder.id}/integrations`, intruder.key);
      const hostile = await measured(api, victim.key, `/tenants/${victim.id}/integrations`, intruder.key);
      if (round === 0) continue; // It warms up.
      allowed.push(calm);
      attacked.push(hostile);
    }
    const [value, floor] = [attacked, allowed].map(median);
    const grown = (await eventsOf()) - before;
    if (value === undefined || floor === undefined) throw new Error('two medians');
    return [
      { name: 'victim/p99-under-attack', value, unit: 'ms', floor, ratio: value / floor, goal, holds: value / floor <= goal },
      { name: 'victim/ledger-growth', value: grown, unit: 'events', floor: 0, ratio: grown, goal: 0, holds: grown === 0 },
    ];
  } finally {
    await flowGrid.stop();
    folder.remove();
  }
}

/** The p99 of the victim's calls, in milliseconds, while the other makes its share of calls. */
async function measured(api: string, key: string, path: string, otherKey: string): Promise<number> {
  let left = attempts / (rounds + 1);
  const others = Promise.all(
    Array.from({ length: attackers }, async () => {
      while (left-- > 0) await (await fetch(api + path, { headers: { 'x-api-key': otherKey } })).arrayBuffer();
    }),
  );
  const times: number[] = [];
  let running = true;
  void others.then(() => {
    running = false;
  });
  while (running) {
    const start = performance.now();
    await (await fetch(`${api}/api/auth/whoami`, { headers: { 'x-api-key': key } })).arrayBuffer();
    times.push(performance.now() - start);
  }
  await others;
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
