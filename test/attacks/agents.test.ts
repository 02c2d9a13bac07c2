// Seed 001, Testing Strategy: an agent of one tenant cannot discover, address, receive from or impersonate anyone of another tenant; and of its own tenant it
// cannot receive for, act as or speak for another agent.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';
import { clientWith, type ListenToken, type Mailbox, openMailbox, take } from '../functions/messages/mailbox.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

let own: TestTenant;
let other: TestTenant;
let attacker: Mailbox;
/** Of the attacker's tenant. */
let neighbour: Mailbox;
/** Of the other tenant: one named as the neighbour is, and one of a name and a skill that only it has. */
let namesake: Mailbox;
let stranger: Mailbox;

beforeAll(async () => {
  [own, other] = await Promise.all([newTenant(local), newTenant(local)]);
  const [ours, theirs] = [new Asker(here, own.key), new Asker(there, other.key)];
  [attacker, neighbour, namesake, stranger] = await Promise.all([
    openMailbox(ours, own.id, 'attacker', [{ id: 'attack' }]),
    openMailbox(ours, own.id, 'neighbour', [{ id: 'common' }]),
    openMailbox(theirs, other.id, 'neighbour', [{ id: 'common' }]),
    openMailbox(theirs, other.id, 'stranger', [{ id: 'strange' }]),
  ]);
});

/** Each thing is tried at both hosts. */
const as = (mailbox: Mailbox) => [mailbox.asker.at(here), mailbox.asker.at(there)];
const message = { messageType: 'note', payload: 'forged' };

describe('an agent of one tenant', () => {
  test('discovers nobody of another', async () => {
    for (const asker of as(attacker)) {
      for (const path of [
        '/api/registry/agents?limit=200',
        '/api/registry/agents/search?skill=common',
        '/api/registry/agents/search?skill=strange',
      ]) {
        const { items } = await asker.get<{ items: { agentId: string }[] }>(path);
        expect(items.map(({ agentId }) => agentId)).not.toContain('stranger');
        expect(JSON.stringify(items)).not.toContain(other.id);
      }
      expect((await asker.get<{ items: object[] }>('/api/registry/agents/search?skill=common')).items).toHaveLength(1);
      problemOf(await asker.ask('GET', '/api/registry/agents/stranger'), 404, 'not_found');
      problemOf(await asker.ask('GET', `/api/registry/agents?tenantId=${other.id}`), 403, 'tenant_mismatch');
      problemOf(await asker.ask('GET', '/api/registry/agents', { headers: { 'x-tenant-id': other.id } }), 403, 'tenant_mismatch');
    }
  });

  test('addresses nobody of another: what it writes to a name that both have stays at home', async () => {
    for (const asker of as(attacker)) {
      problemOf(await asker.ask('POST', '/api/messages', { json: { ...message, to: 'stranger' } }), 404, 'agent_not_found');
      problemOf(await asker.ask('POST', '/api/messages', { json: { ...message, to: { skill: 'strange' } } }), 404, 'agent_not_found');
      problemOf(
        await asker.ask('POST', '/api/messages', { json: { ...message, to: 'neighbour', tenantId: other.id } }),
        403,
        'tenant_mismatch',
      );
      const ids = [];
      for (const to of ['neighbour', { skill: 'common' }]) {
        const { messageId, queue } = await asker.post<{ messageId: string; queue: string }>('/api/messages', { ...message, to });
        expect(queue).toBe(neighbour.queue);
        ids.push(messageId);
      }
      expect((await take(await neighbour.token(), 2)).map(({ messageId }) => messageId).sort()).toEqual(ids.sort());
    }
    expect(await peeked(namesake)).toEqual([]);
    expect(await peeked(stranger)).toEqual([]);
  });
});

describe('an agent', () => {
  test('receives for nobody else: no token for another queue, and its own opens no other', async () => {
    for (const asker of as(attacker)) {
      problemOf(await asker.ask('POST', '/api/messaging/token', { json: { queue: neighbour.queue } }), 403, 'agent_mismatch');
      for (const { queue } of [namesake, stranger]) {
        const { status } = await asker.ask('POST', '/api/messaging/token', { json: { queue } });
        expect([403, 404]).toContain(status);
      }
    }
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(clientWith(await attacker.token()), (each) => each.close());
    const fixed = [own, other].flatMap(({ id }) => ['agents', 'orchestrator', 'dlq'].map((name) => `${id}-${name}`));
    const queues = [neighbour.queue, namesake.queue, stranger.queue, ...fixed, 'platform-dispatch', 'platform-provision'];
    for (const queue of queues) {
      const refused = { code: 'UnauthorizedAccess' };
      await expect(client.createReceiver(queue).receiveMessages(1, { maxWaitTimeInMs: 500 }), queue).rejects.toMatchObject(refused);
      await expect(client.createReceiver(queue).peekMessages(1), queue).rejects.toMatchObject(refused);
      await expect(client.createSender(queue).sendMessages({ body: 1 }), queue).rejects.toMatchObject(refused);
    }
  });

  test.for(['neighbour', 'stranger'])('is not %s: neither in the registry nor as the sender of a message', async (agentId) => {
    const path = `/api/registry/agents/${agentId}`;
    for (const asker of as(attacker)) {
      const card = { name: 'stolen' };
      problemOf(await asker.ask('POST', `${path}/register`, { json: { card } }), 403, 'agent_mismatch');
      problemOf(await asker.ask('DELETE', `${path}/unregister`), 403, 'agent_mismatch');
      problemOf(await asker.ask('POST', '/api/messages', { json: { ...message, to: 'neighbour', from: agentId } }), 403, 'agent_mismatch');
      for (const tenantId of [own.id, other.id])
        expect([403, 404]).toContain((await asker.ask('POST', `/tenants/${tenantId}/agents/${agentId}/environment`)).status);
    }
    for (const victim of [neighbour, namesake, stranger])
      expect(await victim.asker.get(`/api/registry/agents/${victim.agentId}`)).toMatchObject({ name: victim.agentId });
  });

  test('is told to be the sender by its key, whatever it writes', async () => {
    for (const asker of as(attacker)) {
      for (const more of [{ agentId: 'neighbour' }, { signature: `v1.k1.${'A'.repeat(43)}` }, { messageId: 'mine' }])
        problemOf(await asker.ask('POST', '/api/messages', { json: { ...message, to: 'neighbour', ...more } }), 400, 'validation_failed');
    }
    await attacker.asker.post('/api/messages', { ...message, to: 'neighbour' });
    expect((await take(await neighbour.token(), 1))[0]?.body).toMatchObject({ agentId: 'attacker', tenantId: own.id });
  });
});

/** What waits for an agent, as it sees it itself. */
async function peeked(mailbox: Mailbox): Promise<unknown[]> {
  const token: ListenToken = await mailbox.token();
  await using stack = new AsyncDisposableStack();
  const client = stack.adopt(clientWith(token), (each) => each.close());
  return client.createReceiver(token.queue).peekMessages(10);
}
