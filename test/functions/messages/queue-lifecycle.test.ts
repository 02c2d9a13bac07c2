// An agent's own queue goes some time after its agent and comes back with it; no message that was accepted is lost on the way.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { administration } from '../../conformance/service-bus/target.ts';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { comeAndGo } from './come-and-go.ts';
import { Endpoint } from './endpoint.ts';
import { openMailbox, take } from './mailbox.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const admin = administration(local.serviceBus.adminConnectionString);
const root = new ServiceBusClient(local.serviceBus.connectionString);
afterAll(() => root.close());

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  await openMailbox(owner, tenant.id, 'sender');
});

const register = (agentId: string, by = owner, more: Record<string, unknown> = {}) =>
  by.ask<{ queue: { state: string } }>('POST', `/api/registry/agents/${agentId}/register`, {
    json: { card: cardOf(agentId), ttlSeconds: 600, ...more },
  });
const unregister = (agentId: string, by = owner) => by.ask('DELETE', `/api/registry/agents/${agentId}/unregister`);
const send = (to: string, payload: unknown, by = owner) =>
  by.ask<{ messageId: string }>('POST', '/api/messages', { json: { to, from: 'sender', messageType: 'x', payload } });
const isGone = async (queue: string) => !(await admin.queueExists(queue));
const statusOf = async (queue: string) => (await admin.getQueue(queue)).status;

test('an empty queue goes after its agent, and comes back with it', async () => {
  const agent = await openMailbox(owner, tenant.id, 'comes-and-goes');
  const before = await agent.token();
  await unregister('comes-and-goes');
  await until('the queue is gone', () => isGone(agent.queue), 15_000);
  problemOf(await agent.asker.ask('POST', '/api/messaging/token', { json: { queue: agent.queue } }), 404, 'agent_not_found');

  const again = await openMailbox(owner, tenant.id, 'comes-and-goes');
  const { status, body } = await send('comes-and-goes', 1);
  expect(status).toBe(202);
  expect((await take(await again.token(), 1)).map(({ messageId }) => messageId)).toEqual([body.messageId]);
  // Its key is another one: what was given out before opens nothing.
  await expect(take(before, 1)).rejects.toThrow();
});

test('a queue that holds something is closed and stays; the agent finds its messages when it comes back', async () => {
  const agent = await openMailbox(owner, tenant.id, 'comes-back');
  const { body } = await send('comes-back', 'kept');
  await unregister('comes-back');
  problemOf(await send('comes-back', 2), 404, 'agent_not_found');
  await until('it is closed', async () => (await statusOf(agent.queue)) === 'SendDisabled', 15_000);
  const raw = root.createSender(agent.queue);
  await expect(raw.sendMessages({ body: 'late' })).rejects.toMatchObject({ code: 'MessagingEntityDisabled' });
  await raw.close();
  expect((await register('comes-back', agent.asker)).body.queue.state).toBe('ready');
  expect(await statusOf(agent.queue)).toBe('Active');
  expect((await take(await agent.token(), 1)).map(({ messageId }) => messageId)).toEqual([body.messageId]);
});

test('a suspended tenant stays closed, and what is on its way out is not opened again', async () => {
  const other = await newTenant(local);
  const asker = new Asker(here, other.key);
  const agent = await openMailbox(asker, other.id, 'parked');
  await openMailbox(asker, other.id, 'sender');
  await send('parked', 1, asker);
  await unregister('parked', asker);
  await until('it is closed', async () => (await statusOf(agent.queue)) === 'SendDisabled', 15_000);
  const platform = new Asker(here, local.platformKey);
  await platform.post(`/tenants/${other.id}/suspend`);
  await until('all is closed', async () => (await statusOf(agent.queue)) === 'Disabled');
  await platform.post(`/tenants/${other.id}/resume`);
  await until('the tenant is open', async () => (await statusOf(`${other.id}-agents`)) === 'Active');
  await until('the queue only lets out', async () => (await statusOf(agent.queue)) === 'SendDisabled');
});

test('an agent that is pushed to from now on leaves its queue', async () => {
  const agent = await openMailbox(owner, tenant.id, 'turns-push');
  await register('turns-push', agent.asker, { delivery: 'push', endpoint: 'https://agents.example/hook' });
  await until('the queue is gone', () => isGone(agent.queue), 15_000);
  expect((await register('turns-push', agent.asker)).body.queue.state).toBe('ready');
  expect(await isGone(agent.queue)).toBe(false);
});

test('an agent that is pushed to from now on, out of a queue of its own, is handed what waits there', async () => {
  await using endpoint = await Endpoint.open();
  const agent = await openMailbox(owner, tenant.id, 'turns-push-dedicated');
  const { body } = await send('turns-push-dedicated', 'waits');
  await register('turns-push-dedicated', agent.asker, { delivery: 'push', dedicatedQueue: true, endpoint: `${endpoint.base}/hook` });
  await until('it is handed over', async () => endpoint.at('/hook').length > 0, 15_000);
  expect(endpoint.at('/hook').map((each) => each.body['messageId'])).toEqual([body.messageId]);
});

test('the queue of an agent that is pushed to lets nobody listen, until the agent does', async () => {
  const rulesOf = async (queue: string) => ((await admin.getQueue(queue)).authorizationRules ?? []).map(({ keyName }) => keyName);
  await register('turns-pull', owner, { delivery: 'push', dedicatedQueue: true, endpoint: 'https://agents.example/hook' });
  const queue = `${tenant.id}-turns_pull`;
  await until('it is made', async () => (await admin.queueExists(queue)) && (await statusOf(queue)) === 'Active');
  expect(await rulesOf(queue)).toEqual([]);
  const agent = await openMailbox(owner, tenant.id, 'turns-pull');
  expect(await rulesOf(queue)).toEqual(['listen']);
  const { body } = await send('turns-pull', 1);
  expect((await take(await agent.token(), 1)).map(({ messageId }) => messageId)).toEqual([body.messageId]);
});

test('while agents come and go on two hosts, every message that was accepted is there in the end', async () => {
  const agents = await Promise.all(Array.from({ length: 6 }, (_, at) => openMailbox(owner, tenant.id, `storm-${at}`)));
  const { accepted, lost, refusals } = await comeAndGo({ owner, hosts: [here, there], sender: 'sender', root, agents, ms: 7_000 });
  expect(accepted).toBeGreaterThan(10);
  expect(lost).toEqual([]);
  for (const status of refusals) expect([404, 503]).toContain(status);
}, 60_000);
