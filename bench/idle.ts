// What an idle FlowGrid asks of Azure: 1,000 tenants (or IDLE_TENANTS) with an agent each that was there once, nobody calls, and the twin counts every operation on store,
// broker, vault and blobs. The hourly checkpoint of what they did is taken beforehand. The floor is the same deployment before it has tenants.
import { setTimeout as wait } from 'node:timers/promises';
import { operationsSoFar } from '../local/operations.ts';
import { hostSettings } from '../local/start/host-settings.ts';
import type { LocalJson } from '../local/start/local-json.ts';
import { type Options, readOptions } from '../local/start/options.ts';
import { readSecrets } from '../local/start/secrets.ts';
import { compose } from '../shared/compose.ts';
import { parseConfig } from '../shared/config/config.ts';
import { cardOf, dataFolder, newTenant, startFlowGrid } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';

const tenants = Number(process.env['IDLE_TENANTS'] ?? 1_000);
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
    await checkpointAll(hostSettings(local, readSecrets(folder.path), local.api, noOptions()));
    await untilQuiet(local);
    const value = await operationsPerSecond(local, observedMs);
    return [{ name: `idle/${tenants}-tenants`, value, unit: 'operations/s', floor, ratio: value / floor, goal, holds: value < goal }];
  } finally {
    await flowGrid.stop();
    folder.remove();
  }
}

/** Each tenant has an agent that registered, wrote one message and has stopped since: its lease ends, its queues empty, and nothing must follow from that. */
async function populate(local: LocalJson): Promise<void> {
  let left = tenants;
  const make = async () => {
    while (left-- > 0) {
      const { owner } = await newTenant(local);
      await owner.ask('POST', '/api/registry/agents/idle/register', { card: cardOf('Idle'), ttlSeconds: 10 });
      const progress = { messageType: 'task.progress', payload: { taskId: 'one', progress: 1 } };
      await owner.ask('POST', '/api/messages', { to: 'orchestrator', from: 'idle', ...progress });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, make));
}

/** All that the timer does for ledgers in the next hour, now: it is the same function, a twelfth of the tenants at a time, under a clock that is put forward. */
async function checkpointAll(settings: Readonly<Record<string, string>>): Promise<void> {
  const services = compose(parseConfig(settings));
  const clock = Date.now;
  const cause = { actor: { type: 'system', id: 'bench', method: 'internal' }, requestId: 'bench' } as const;
  for (let turn = 0; turn < 12; turn++) {
    Date.now = () => clock() + turn * 5 * 60_000;
    await services.ledgerUpkeep.checkpoint(services.platform, cause);
  }
  Date.now = clock;
  await services.close();
}

function noOptions(): Options {
  const options = readOptions([]);
  if (!options.ok) throw new Error('no options are no problem');
  return options.value;
}

/** What work leaves behind is done, such as events on their way to the ledger and looks at queues that were used: a minute with less than the goal. */
async function untilQuiet(local: LocalJson): Promise<void> {
  for (let minutes = 15; minutes > 0; minutes--) {
    const { total } = await operationsSoFar(local);
    await wait(60_000);
    if ((await operationsSoFar(local)).total - total < 60 * goal) return;
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
