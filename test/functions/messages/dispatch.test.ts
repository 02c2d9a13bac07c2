// The dispatcher through two hosts: what is sent to whom the control plane delivers to itself arrives, once for each message, whatever lies in the queue beside it.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Caller } from '../../../local/demo/caller.ts';
import { ActiveQueues } from '../../../shared/messaging/dispatch/active-queues.ts';
import { sign } from '../../../shared/messaging/signature.ts';
import { AgentId } from '../../../shared/scope/ids.ts';
import type { TenantScope } from '../../../shared/scope/scope.ts';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { settledTrail } from '../trail.ts';
import { scopeOf, servicesBeside } from './beside.ts';
import { Endpoint, registerPush } from './endpoint.ts';

const local = inject('local');
const services = servicesBeside(local);
let tenant: TestTenant;
let owner: Asker;
let scope: TenantScope;
let endpoint: Endpoint;
let agents = 0;

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  [scope, endpoint] = await Promise.all([scopeOf(services, tenant.key), Endpoint.open()]);
});
afterAll(async () => {
  await endpoint[Symbol.asyncDispose]();
  await services.close();
});

async function pushAgent(registration: Record<string, unknown> = {}) {
  agents += 1;
  const [id, path] = [AgentId.parse(`pushed-${agents}`), `/hook-${agents}`];
  await registerPush(owner, tenant.id, id, { endpoint: endpoint.base + path, ...registration });
  return { id, path };
}

async function send(to: string, payload: unknown, from = 'pushed-1', at = local.hosts[0]): Promise<string> {
  const { messageId } = await owner.at(String(at)).post<{ messageId: string }>('/api/messages', { to, from, messageType: 'note', payload });
  return messageId;
}

const idsAt = (path: string) => endpoint.at(path).map(({ body }) => (body as { messageId: string }).messageId);
const arrived = (path: string, count: number) => until(`${count} at ${path}`, async () => endpoint.at(path).length >= count, 20_000);

/** Puts something on the tenant's shared queue that did not come by `POST /api/messages`, and rings for it. */
async function plant(messageId: string, body: unknown): Promise<void> {
  await services.doorbell.send(scope, 'agents', { messageId, body });
}

async function deadLetters(): Promise<{ messageId: string; reason: string | undefined }[]> {
  const reader = services.bus.reader(scope, 'dlq');
  try {
    return (await reader.peek({ limit: 250 })).map(({ messageId, reason }) => ({ messageId, reason: String(reason) }));
  } finally {
    await reader.close();
  }
}

async function signedFor(to: string, more: Record<string, unknown> = {}) {
  const key = await services.signingKeys.of(scope, to);
  if (!key) throw new Error('the tenant is made');
  const unsigned = {
    messageId: crypto.randomUUID(),
    tenantId: tenant.id,
    agentId: 'pushed-1',
    to,
    messageType: 'note',
    payload: null,
    timestamp: new Date().toISOString(),
    ...more,
  };
  return { ...unsigned, signature: sign(unsigned, key) };
}

describe('what is sent', () => {
  test('arrives, through the shared queue and an agent\u2019s own, from both hosts', async () => {
    const [shared, own] = [await pushAgent(), await pushAgent({ dedicatedQueue: true })];
    const sent = await Promise.all([0, 1].map((host) => send(shared.id, { host }, shared.id, local.hosts[host])));
    const alsoSent = await Promise.all([0, 1].map((host) => send(own.id, { host }, shared.id, local.hosts[host])));
    await arrived(shared.path, 2);
    await arrived(own.path, 2);
    expect(idsAt(shared.path).sort()).toEqual(sent.sort());
    expect(idsAt(own.path).sort()).toEqual(alsoSent.sort());
  });

  test('arrives however much it is, each message once', async () => {
    const agent = await pushAgent();
    const sent = await Promise.all(Array.from({ length: 100 }, (_, at) => send(agent.id, { at }, agent.id, local.hosts[at % 2])));
    await arrived(agent.path, 100);
    expect(idsAt(agent.path).sort()).toEqual(sent.sort());
  });

  test('to the orchestrator is done, or goes to the dead letters with the reason', async () => {
    const agent = await pushAgent();
    const messageId = await send('orchestrator', {}, agent.id);
    await until('it is a dead letter', async () => (await deadLetters()).some((each) => each.messageId === messageId));
    expect(await deadLetters()).toContainEqual({ messageId, reason: 'no_handler' });
  });

  test('comes again when it was refused, and is not lost', async () => {
    const agent = await pushAgent();
    endpoint.told.set(agent.path, { status: 500 });
    const messageId = await send(agent.id, {}, agent.id);
    await arrived(agent.path, 1);
    endpoint.told.set(agent.path, { status: 200 });
    await arrived(agent.path, 2);
    expect(idsAt(agent.path)).toEqual([messageId, messageId]);
  });
});

describe('what was not signed for its recipient', () => {
  test('goes to the dead letters with its reason, is told of, and holds nothing up', async () => {
    const agent = await pushAgent();
    const [forged, foreign, unsigned] = [
      await signedFor(agent.id),
      await signedFor(agent.id, { tenantId: 'somebody-else' }),
      await signedFor(agent.id),
    ];
    await plant('not-an-envelope', { hello: 'there' });
    await plant('forged', { ...forged, payload: 'changed' });
    await plant('foreign', foreign);
    const { signature: _, ...bare } = unsigned;
    await plant('unsigned', bare);
    await plant('old', await signedFor(agent.id, { timestamp: '2020-01-01T00:00:00.000Z' }));
    const good = await send(agent.id, {}, agent.id);
    await arrived(agent.path, 1);
    expect(idsAt(agent.path)).toEqual([good]);
    const expected = {
      'not-an-envelope': 'envelope_invalid',
      forged: 'signature_invalid',
      foreign: 'tenant_mismatch',
      unsigned: 'signature_missing',
      old: 'expired',
    };
    await until('all are dead letters', async () => {
      const found = await deadLetters();
      return Object.keys(expected).every((id) => found.some(({ messageId }) => messageId === id));
    });
    const found = Object.fromEntries((await deadLetters()).map(({ messageId, reason }) => [messageId, reason]));
    expect(found).toMatchObject(expected);
    const events = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'security.message_refused');
    expect(Object.fromEntries(events.map(({ entity, code }) => [entity.id, code]))).toEqual(expected);
  });

  test('nor what is put there a second time', async () => {
    const agent = await pushAgent();
    const envelope = await signedFor(agent.id);
    await plant('first', envelope);
    await arrived(agent.path, 1);
    await plant('second', envelope);
    await until('it is a dead letter', async () => (await deadLetters()).some(({ messageId }) => messageId === 'second'));
    expect(await deadLetters()).toContainEqual({ messageId: 'second', reason: 'replayed' });
    expect(endpoint.at(agent.path)).toHaveLength(1);
  });
});

describe('what a crash has left lying', () => {
  /** A queue that nothing was ever rung for, so that nobody looks at it but us. */
  async function quietQueue(): Promise<{ id: AgentId; path: string; queue: { agent: AgentId } }> {
    const agent = await pushAgent({ dedicatedQueue: true });
    const queue = { agent: agent.id };
    await new ActiveQueues(services.platformDocuments, services.platform).enter(scope.tenantId, queue);
    return { ...agent, queue };
  }

  /** As a dispatcher that died would leave it: set aside, and nobody called for it. */
  async function setAside(queue: { agent: AgentId }, properties: Record<string, number>): Promise<void> {
    const reader = services.bus.reader(scope, queue);
    try {
      const [message] = await reader.receive(1, 5_000);
      if (message) await reader.defer(message, properties);
      expect(message).toBeDefined();
    } finally {
      await reader.close();
    }
  }

  test('is found by the sweep: a message nobody rang for, and one that was set aside', async () => {
    const { id, path, queue } = await quietQueue();
    const [forgotten, aside] = [await signedFor(id), await signedFor(id)];
    await services.bus.send(scope, queue, { messageId: aside.messageId, body: aside });
    await setAside(queue, { attempts: 2, dueAt: 0 });
    await services.bus.send(scope, queue, { messageId: forgotten.messageId, body: forgotten });
    await Promise.all([services.dispatchSweep.run(), services.dispatchSweep.run()]);
    await arrived(path, 2);
    expect(idsAt(path).sort()).toEqual([forgotten.messageId, aside.messageId].sort());
  });

  test('and what failed its last try is a dead letter', async () => {
    const { id, path, queue } = await quietQueue();
    endpoint.told.set(path, { status: 500 });
    const body = await signedFor(id);
    const { messageId } = body;
    await services.bus.send(scope, queue, { messageId, body });
    await setAside(queue, { attempts: 9, dueAt: 0 });
    await services.dispatchSweep.run();
    await until('it is a dead letter', async () => (await deadLetters()).some((each) => each.messageId === messageId));
    expect(await deadLetters()).toContainEqual({ messageId, reason: 'delivery_exhausted' });
    const events = (await settledTrail(owner, tenant.id)).filter(({ entity }) => entity.id === messageId);
    expect(events).toMatchObject([
      { action: 'message.dead_lettered', outcome: 'failed', code: 'delivery_exhausted', new: { attempts: 10 } },
    ]);
    expect(idsAt(path)).toEqual([messageId]);
  });
});

test('a queue that is used again while the sweep takes it off the list stays on it', async () => {
  const { platform, platformDocuments } = services;
  const queue = { agent: AgentId.parse('listed') };
  const lists = [0, 1].map(() => new ActiveQueues(platformDocuments, platform));
  const [sender, sweep] = [lists[0] as ActiveQueues, lists[1] as ActiveQueues];
  const listed = async () => (await sweep.ofTenant(scope.tenantId)).filter((each) => JSON.stringify(each.queue) === JSON.stringify(queue));
  await sender.enter(scope.tenantId, queue);
  const read = await listed();
  expect(read).toHaveLength(1);
  await new Promise((resolve) => setTimeout(resolve, 2));
  await new ActiveQueues(platformDocuments, platform).enter(scope.tenantId, queue);
  await sweep.leave(read);
  expect(await listed()).toHaveLength(1);
  await sweep.leave(await listed());
  expect(await listed()).toEqual([]);
});

test('a suspended tenant\u2019s messages wait, and are delivered when it is resumed', async () => {
  const other = await newTenant(local);
  const asker = new Asker(local.api, other.key);
  const platform = new Caller(local.api, local.platformKey);
  await registerPush(asker, other.id, AgentId.parse('pushed'), { endpoint: `${endpoint.base}/suspended` });
  endpoint.told.set('/suspended', { status: 503 });
  await asker.post('/api/messages', { to: 'pushed', from: 'pushed', messageType: 'note', payload: {} });
  await arrived('/suspended', 1);
  await platform.ask('POST', `/tenants/${other.id}/suspend`);
  endpoint.told.set('/suspended', { status: 200 });
  await platform.ask('POST', `/tenants/${other.id}/resume`);
  await arrived('/suspended', 2);
});
