// From POST /api/messages to the endpoint of a push agent, and to the platform as orchestrator: through both hosts as they run.
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { verifyPassport } from '../../../shared/identity/passport.ts';
import { verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { trailOf } from '../trail.ts';
import { Endpoint, registerPush } from './endpoint.ts';
import { openMailbox, take } from './mailbox.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
let tenant: TestTenant;
let owner: Asker;
let endpoint: Endpoint;

beforeAll(async () => {
  [tenant, endpoint] = await Promise.all([newTenant(local), Endpoint.open()]);
  owner = new Asker(here, tenant.key);
});
afterAll(() => endpoint[Symbol.asyncDispose]());

interface Accepted {
  readonly messageId: string;
  readonly queue: string;
}

const send = (order: Record<string, unknown>, by = owner) =>
  by.post<Accepted>('/api/messages', { from: 'sender', messageType: 'note.taken', payload: { text: 'Grüße' }, ...order });
const arrived = async (path: string, count = 1) => {
  await until(`${count} at ${path}`, async () => endpoint.at(path).length >= count);
  return endpoint.at(path);
};
const told = async (messageId: string, action: string) => {
  const ofIt = async () => (await trailOf(owner, tenant.id, `&entity=message:${messageId}`)).find((event) => event.action === action);
  await until(`${action} in the trail`, async () => (await ofIt()) !== undefined);
  return ofIt();
};

describe('a push agent', () => {
  test.each([
    ['shared', false],
    ['own', true],
  ])('is delivered to from its %s queue, with a passport of whoever sent', async (name, dedicatedQueue) => {
    const id = `pushed-${name}`;
    await registerPush(owner, tenant.id, 'sender', { endpoint: `${endpoint.base}/sender` });
    const agent = await registerPush(owner, tenant.id, id, { endpoint: `${endpoint.base}/${name}`, dedicatedQueue });
    const { messageId, queue } = await send({ to: id, correlationId: 'case 1' }, owner.at(there));
    expect(queue).toBe(`${tenant.id}-${dedicatedQueue ? id.replaceAll('-', '_') : 'agents'}`);
    const [first, ...others] = await arrived(`/${name}`);
    expect(others).toEqual([]);
    expect(first?.body).toMatchObject({ messageId, to: id, agentId: 'sender', correlationId: 'case 1' });
    expect(verifyEnvelope(first?.body, { tenantId: tenant.id, recipient: id, keys: [agent], now: Date.now() })).toHaveProperty('envelope');
    const passport = String(first?.headers['x-flowgrid-passport']);
    const whoami = await owner.get<{ subject: string; scopes: string[] }>('/api/auth/whoami');
    expect(verifyPassport(passport, { tenant: tenant.id, recipient: id }, [agent], Date.now())).toEqual({
      sub: whoami.subject,
      groups: [],
      permissions: [...whoami.scopes].sort(),
      tier: 'standard',
      tenant: tenant.id,
    });
    expect(await told(messageId, 'message.delivered')).toMatchObject({ outcome: 'success', new: { from: 'sender', to: id, attempt: 1 } });
  });

  test('that answers with an error is called again, and one that is gone has its message put aside', async () => {
    await registerPush(owner, tenant.id, 'shaky', { endpoint: `${endpoint.base}/shaky` });
    endpoint.told.set('/shaky', { status: 500 });
    const { messageId } = await send({ to: 'shaky' });
    await arrived('/shaky');
    endpoint.told.delete('/shaky');
    expect((await arrived('/shaky', 2)).map(({ body }) => body['messageId'])).toEqual([messageId, messageId]);
    expect(await told(messageId, 'message.delivered')).toMatchObject({ new: { attempt: 2 } });

    endpoint.told.set('/shaky', { status: 410 });
    const gone = await send({ to: 'shaky' });
    expect(await told(gone.messageId, 'message.dead_lettered')).toMatchObject({ code: 'endpoint_gone' });
  });
});

describe('the orchestrator', () => {
  test('takes signs of life, reports of usage and progress from who sends them', async () => {
    const worker = await openMailbox(owner, tenant.id, 'worker');
    const tell = (messageType: string, payload: unknown) =>
      worker.asker.post<Accepted>('/api/messages', { to: 'orchestrator', messageType, payload });
    await tell('usage.reported', { eventId: 'e-1', meter: 'gpuSeconds', amount: 12.5 });
    await tell('task.progress', { taskId: 'task-1', progress: 0.5 });
    const wrong = await tell('task.progress', { progress: 0.5 });
    for (const action of ['usage.reported', 'task.progressed'])
      await until(action, async () => (await trailOf(owner, tenant.id, `&action=${action}`)).some(({ actor }) => actor.id === 'worker'));
    expect(await told(wrong.messageId, 'message.dead_lettered')).toMatchObject({ code: 'handler_failed' });
  });

  test('passes on what is for an agent of the tenant, which answers whoever asked', async () => {
    const planner = await openMailbox(owner, tenant.id, 'planner');
    const asking = await openMailbox(owner, tenant.id, 'asking');
    await planner.asker.post('/api/registry/agents/planner/register', {
      card: cardOf('planner'),
      metadata: { orchestrator: true },
      ttlSeconds: 600,
    });
    const order = { to: 'orchestrator', messageType: 'plan.wanted', payload: 1, correlationId: 'case 9' };
    const { messageId } = await asking.asker.post<Accepted>('/api/messages', order);
    const [taken] = await take(await planner.token(), 1);
    expect(taken?.body).toMatchObject({ messageId, to: 'planner', agentId: 'asking', correlationId: 'case 9' });
    await planner.asker.post('/api/messages', {
      to: 'asking',
      messageType: 'plan.made',
      payload: 2,
      correlationId: 'case 9',
      causationId: messageId,
    });
    const [reply] = await take(await asking.token(), 1);
    expect(reply?.body).toMatchObject({ agentId: 'planner', correlationId: 'case 9', causationId: messageId, payload: 2 });
  });
});
