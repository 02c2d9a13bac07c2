// An agent of the SDK while FlowGrid dies around it: the broker, the host, both, and connections that drop. It comes back by itself, and misses nothing.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Agent } from '../../agent/agent.ts';
import { Caller } from '../../local/demo/caller.ts';
import { cardOf, dataFolder, type FlowGrid, kill, newTenant, startFlowGrid, type TestTenant, until } from '../flowgrid.ts';

const folder = dataFolder();
let flowGrid: FlowGrid;
let tenant: TestTenant;
let asker: Agent;
let echo: Agent;
/** Payloads. A message whose answer was lost is sent again, so one may come twice; none may be missing. */
const handled = new Set<unknown>();

beforeAll(async () => {
  flowGrid = await startFlowGrid(folder.path, '--ephemeral');
  tenant = await newTenant(flowGrid.local);
  const make = async (agentId: string) => {
    const environment = await new Caller(flowGrid.local.api, tenant.key).ask<Record<string, string>>(
      'POST',
      `/tenants/${tenant.id}/agents/${agentId}/environment`,
    );
    return new Agent({ card: cardOf(agentId, [{ id: agentId }]), onProblem: () => undefined }, environment);
  };
  asker = await make('asker');
  echo = await make('echo');
  echo.on('note', ({ payload }) => void handled.add(payload));
  echo.on('ask', async (envelope, agent) => void (await agent.reply(envelope, 'answer', envelope.payload)));
  await Promise.all([asker.start(), echo.start()]);
});
afterAll(async () => {
  await Promise.all([asker?.stop(), echo?.stop()]);
  await flowGrid?.stop();
  folder.remove();
});

async function sendNotes(from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at++) await asker.send({ to: 'echo', messageType: 'note', payload: at });
}

async function kill9(...names: string[]): Promise<void> {
  const { pids } = flowGrid.local;
  for (const name of names) kill(pids[name] ?? 0);
  await until('there are new processes', async () => names.every((name) => flowGrid.local.pids[name] !== pids[name]), 20_000);
}

test.for([
  ['the broker', ['twin']],
  ['the host', ['host-0']],
  ['both', ['twin', 'host-0']],
] as const)('%s is killed while messages are sent', async ([, names]) => {
  handled.clear();
  const sending = sendNotes(0, 60);
  await until('some have come', async () => handled.size >= 5, 30_000);
  await kill9(...names);
  await sending;
  await until('all have come', async () => handled.size === 60, 60_000);
  // And it can be asked again.
  const reply = await asker.request({ to: { skill: 'echo' }, messageType: 'ask', payload: 'still there?' });
  expect(reply.payload).toBe('still there?');
});

test('connections drop', async () => {
  handled.clear();
  const faults = [{ service: 'serviceBus', rate: 0.05, effect: 'drop' }];
  const put = (rules: unknown) => fetch(flowGrid.local.faults, { method: 'PUT', body: JSON.stringify(rules) });
  expect((await put(faults)).status).toBeLessThan(300);
  await sendNotes(100, 60);
  await put([]);
  await until('all have come', async () => handled.size === 60, 90_000);
});
