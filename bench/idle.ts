// What an idle FlowGrid asks of Azure: 1,000 tenants with an agent each, nobody calls, and the twin counts every operation on store, broker, vault and
// blobs. Nothing may go round by polling, so the figure does not grow with the tenants. The floor is the same deployment before it has tenants.
import { setTimeout as wait } from 'node:timers/promises';
import { operationsSoFar } from '../local/operations.ts';
import type { LocalJson } from '../local/start/local-json.ts';
import { cardOf, dataFolder, newTenant, startFlowGrid } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';

const tenants = 1_000;
const atOnce = 8;
/** As long as the longest pause between two rounds of a timer that looks at tenants. */
const observedMs = 5 * 60_000;
const floorMs = 60_000;
const goal = 1;

export async function bench(): Promise<Figure[]> {
  const folder = dataFolder();
  const flowGrid = await startFlowGrid(folder.path, '--ephemeral');
  try {
    const { local } = flowGrid;
    await untilQuiet(local);
    const floor = await operationsPerSecond(local, floorMs);
    await populate(local);
    await untilQuiet(local);
    const value = await operationsPerSecond(local, observedMs);
    return [{ name: `idle/${tenants}-tenants`, value, unit: 'operations/s', floor, ratio: value / floor, goal, holds: value < goal }];
  } finally {
    await flowGrid.stop();
    folder.remove();
  }
}

/** Each tenant has an agent that registered once and has stopped since: its lease ends and nothing must follow from that. */
async function populate(local: LocalJson): Promise<void> {
  let left = tenants;
  const make = async () => {
    while (left-- > 0) {
      const { owner } = await newTenant(local);
      await owner.ask('POST', '/api/registry/agents/idle/register', { card: cardOf('Idle'), ttlSeconds: 10 });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, make));
}

/** What making tenants leaves behind, such as events on their way to the ledger, is done: fewer than ten operations in five seconds. */
async function untilQuiet(local: LocalJson): Promise<void> {
  for (let tries = 60; tries > 0; tries--) {
    const { total } = await operationsSoFar(local);
    await wait(5_000);
    if ((await operationsSoFar(local)).total - total < 10) return;
  }
  throw new Error('it does not become idle');
}

async function operationsPerSecond(local: LocalJson, ms: number): Promise<number> {
  const before = await operationsSoFar(local);
  const start = performance.now();
  await wait(ms);
  const after = await operationsSoFar(local);
  const seconds = (performance.now() - start) / 1_000;
  for (const [verb, count] of after.byVerb) {
    const more = count - (before.byVerb.get(verb) ?? 0);
    if (more > 0) console.error(`  ${verb}: ${more} in ${seconds.toFixed(0)} s`);
  }
  return (after.total - before.total) / seconds;
}
