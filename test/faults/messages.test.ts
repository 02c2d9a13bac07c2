// Messages under everything that breaks: agents, senders, hosts and the broker killed with -9, connections dropped, locks lost. No accepted message is
// lost, and none takes effect twice with a receiver that is idempotent by its message id.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { administration } from '../conformance/service-bus/target.ts';
import { dataFolder, type FlowGrid, kill, newTenant, startFlowGrid, type TestTenant, until } from '../flowgrid.ts';
import { KeptRunning } from './messages/kept-running.ts';

const folder = dataFolder();
/** Processes of their own, by the agent they are. */
const readers = ['reader-one', 'reader-one', 'reader-two', 'reader-three'];
const leastAccepted = 2_000;
const leastRounds = 10;

let flowGrid: FlowGrid;
let tenant: TestTenant;
const running: KeptRunning[] = [];

beforeAll(async () => {
  flowGrid = await startFlowGrid(folder.path, '--ephemeral', '--hosts', '2');
  tenant = await newTenant(flowGrid.local, { tier: 'enterprise' });
});
afterEach(async ({ task }) => {
  await setFaults([]);
  await Promise.all(running.splice(0).map((each) => each.end()));
  if (task.result?.state === 'fail') console.error(flowGrid.output.slice(-4_000));
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
});

async function setFaults(faults: object[]): Promise<void> {
  await fetch(flowGrid.local.faults, { method: 'PUT', body: JSON.stringify(faults), headers: { 'content-type': 'application/json' } });
}

function run(name: string, environment: (start: number) => Record<string, string>): KeptRunning {
  const kept = new KeptRunning(name, environment);
  running.push(kept);
  return kept;
}

/** Messages of a process that was killed come back when their locks end; nobody waits a minute for that here. */
async function shortenLocks(queues: readonly string[]): Promise<void> {
  const admin = administration(flowGrid.local.serviceBus.adminConnectionString);
  for (const queue of queues) await admin.updateQueue({ ...(await admin.getQueue(queue)), lockDuration: 'PT3S' });
}

/** The number and message id of everything accepted, as far as its sender lived to see it. */
function acceptedIn(file: string): Map<number, string> {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return new Map(lines.map((line) => line.split(' ')).map(([number, messageId = '']) => [Number(number), messageId]));
}

/** Message ids by number. */
function effectsIn(path: string): Map<number, string[]> {
  const effects = new Map<number, string[]>();
  for (const name of readdirSync(path)) {
    const [number, messageId] = name.split('~');
    if (messageId !== undefined) effects.set(Number(number), [...(effects.get(Number(number)) ?? []), messageId]);
  }
  return effects;
}

/** Everything in the tenant's dead letters: reason by message id, more than one where a message is there twice. */
async function deadLetters(): Promise<[messageId: string, reason: string][]> {
  const client = new ServiceBusClient(flowGrid.local.serviceBus.connectionString);
  const receiver = client.createReceiver(`${tenant.id}-dlq`, { receiveMode: 'receiveAndDelete' });
  const found: [string, string][] = [];
  for (;;) {
    const messages = await receiver.receiveMessages(100, { maxWaitTimeInMs: 500 });
    if (messages.length === 0) break;
    for (const message of messages) found.push([String(message.messageId), String(message.deadLetterReason)]);
  }
  await client.close();
  return found;
}

async function killPart(name: 'twin' | 'host-0' | 'host-1'): Promise<void> {
  const { pids } = flowGrid.local;
  kill(pids[name] ?? 0);
  await until(`${name} is another one`, async () => flowGrid.local.pids[name] !== pids[name], 20_000);
}

const breakages: readonly (() => Promise<void>)[] = [
  async () => running[0]?.kill9(),
  () => killPart('host-0'),
  async () => running.at(-1)?.kill9(),
  () => setFaults([{ service: 'serviceBus', match: '^(send|receive|complete)', rate: 0.02, effect: 'drop' }]),
  () => killPart('twin'),
  () => setFaults([{ service: 'serviceBus', match: '^complete', rate: 0.1, effect: 'lockLost' }]),
  async () => running[2]?.kill9(),
  () => killPart('host-1'),
  () => setFaults([{ service: 'serviceBus', match: '^(send|receive|complete|attach)', rate: 0.05, effect: '500' }]),
  async () => {
    for (const reader of running.slice(0, readers.length)) reader.kill9();
  },
];

test('pulled: no accepted message is lost and none takes effect twice', async () => {
  const { hosts } = flowGrid.local;
  const effects = join(folder.path, 'effects');
  mkdirSync(effects);
  const agents = [...new Set(readers)];
  const environments = new Map<string, Record<string, string>>();
  for (const agentId of agents)
    environments.set(agentId, await tenant.owner.ask('POST', `/tenants/${tenant.id}/agents/${agentId}/environment`));
  for (const [at, agentId] of readers.entries())
    run('reader', () => ({ ...environments.get(agentId), EFFECTS: effects, REPLICA: `${agentId}-${at}` }));
  await until(
    'all read',
    async () => (await tenant.owner.ask<{ total: number }>('GET', '/api/registry/agents')).total === agents.length,
    20_000,
  );
  await shortenLocks(agents.map((agentId) => `${tenant.id}-${agentId.replaceAll('-', '_')}`));

  const accepted = join(folder.path, 'accepted');
  writeFileSync(accepted, '');
  for (const [at, api] of hosts.entries()) {
    run('writer', (start) => ({
      API: api,
      KEY: tenant.key,
      FROM: 'reader-one',
      TO: agents.join(' '),
      FIRST: String((start * 10 + at) * 1_000_000),
      ACCEPTED: accepted,
    }));
  }

  for (let round = 0, enough = false; !enough; round++) {
    const before = acceptedIn(accepted).size;
    await breakages[round % breakages.length]?.();
    await wait(300);
    await until('messages are accepted again', async () => acceptedIn(accepted).size > before + 50, 30_000);
    enough = round + 1 >= leastRounds && acceptedIn(accepted).size >= leastAccepted;
  }
  await setFaults([]);
  await Promise.all(running.slice(readers.length).map((writer) => writer.end(0)));

  const all = acceptedIn(accepted);
  const missing = () => {
    const done = effectsIn(effects);
    return [...all].filter(([number, messageId]) => !done.get(number)?.includes(messageId));
  };
  await until('what was accepted has taken effect', async () => missing().length === 0, 40_000).catch(() => undefined);
  expect(missing()).toEqual([]);
  expect([...effectsIn(effects)].filter(([, messageIds]) => messageIds.length > 1)).toEqual([]);
  // A send whose answer was lost may have put a message on its queue twice; the second is refused and told of, as is nothing else.
  const taken = new Set([...effectsIn(effects).values()].flat());
  for (const [messageId, reason] of await deadLetters()) {
    expect(reason).toBe('replayed');
    expect(taken).toContain(messageId);
  }
  expect(await Promise.all(running.splice(0).map((each) => each.end()))).toEqual([0, 0, 0, 0, null, null]);
}, 180_000);
