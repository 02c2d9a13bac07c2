// The token an agent listens with: to its own queue, to listen, for five minutes, and for nothing else.
import { ServiceBusClient } from '@azure/service-bus';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { settledTrail } from '../trail.ts';
import { clientWith, type Mailbox, openMailbox, take } from './mailbox.ts';

const local = inject('local');

let tenant: TestTenant;
let owner: Asker;
let agent: Mailbox;
let neighbour: Mailbox;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  [agent, neighbour] = await Promise.all([openMailbox(owner, tenant.id, 'agent-one'), openMailbox(owner, tenant.id, 'agent-two')]);
});

const ask = (queue: unknown, by = agent.asker) => by.ask('POST', '/api/messaging/token', { json: { queue } });

describe('POST /api/messaging/token', () => {
  test('gives a shared access signature for five minutes at most', async () => {
    const token = await agent.token();
    expect(token).toEqual({
      endpoint: local.serviceBus.connectionString.replace(/^Endpoint=([^;]+?)\/?;.*$/, '$1/'),
      queue: agent.queue,
      token: expect.stringMatching(/^SharedAccessSignature sr=\S+&sig=\S+&se=\d+&skn=listen$/),
      expiresAt: expect.any(String),
    });
    const left = Date.parse(token.expiresAt) - Date.now();
    expect(left).toBeGreaterThan(4 * 60_000);
    expect(left).toBeLessThanOrEqual(5 * 60_000);
    expect(token.token).toContain(`&se=${Date.parse(token.expiresAt) / 1_000}&`);
  });

  test('which opens that queue', async () => {
    const sent = await owner.post<{ messageId: string }>('/api/messages', {
      to: 'agent-one',
      from: 'agent-two',
      messageType: 'x',
      payload: 1,
    });
    expect((await take(await agent.token(), 1)).map(({ messageId }) => messageId)).toEqual([sent.messageId]);
  });

  test.for(['agent-two', 'dlq', 'agents', 'orchestrator', 'platform-provision'])('but not %s', async (other) => {
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(clientWith(await agent.token()), (each) => each.close());
    const queue = other.startsWith('platform') ? other : `${tenant.id}-${other.replace('-', '_')}`;
    const receiver = client.createReceiver(queue);
    await expect(receiver.receiveMessages(1, { maxWaitTimeInMs: 1_000 })).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
  });

  test.for(['agent_one', 'agent_two', 'platform-provision', 'platform-dispatch'])('and sends nothing, not to %s', async (other) => {
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(clientWith(await agent.token()), (each) => each.close());
    const sender = client.createSender(other.startsWith('platform') ? other : `${tenant.id}-${other}`);
    await expect(sender.sendMessages({ body: 'forged' })).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
  });

  test('and cannot be changed to open more', async () => {
    const { endpoint, token } = await agent.token();
    const forged = [
      token.replace(encodeURIComponent(agent.queue), encodeURIComponent(neighbour.queue)),
      token.replace(/se=\d+/, (se) => `se=${Number(se.slice(3)) + 1}`),
      token.replace('skn=listen', 'skn=RootManageSharedAccessKey'),
    ];
    expect(new Set([...forged, token]).size).toBe(4);
    for (const each of forged) {
      await using stack = new AsyncDisposableStack();
      const text = `Endpoint=${endpoint};SharedAccessSignature=${each};UseDevelopmentEmulator=true`;
      const client = stack.adopt(new ServiceBusClient(text, { retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } }), (one) => one.close());
      const queue = each.includes(neighbour.queue) ? neighbour.queue : agent.queue;
      await expect(client.createReceiver(queue).receiveMessages(1, { maxWaitTimeInMs: 1_000 })).rejects.toMatchObject({
        code: 'UnauthorizedAccess',
      });
    }
  });

  test("is for the agent itself: not for the owner, not for its neighbour's queue", async () => {
    problemOf(await ask(agent.queue, owner), 403, 'agent_mismatch');
    problemOf(await ask(neighbour.queue), 403, 'agent_mismatch');
    problemOf(await ask(agent.queue, neighbour.asker), 403, 'agent_mismatch');
  });

  test.for(['agents', 'orchestrator', 'dlq'])('is not for %s, which the platform drains', async (queue) => {
    problemOf(await ask(`${tenant.id}-${queue}`), 404, 'not_found');
  });

  test.for(['', 'x'.repeat(261), 5, null, undefined])('refuses the queue %s', async (queue) => {
    const { errors } = problemOf(await ask(queue), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/queue']);
  });

  test.for(['nowhere', 'platform-dispatch', 'agent_one', '-', 'Acme-agent_one'])('does not know %s', async (queue) => {
    problemOf(await ask(queue), 404, 'not_found');
  });

  test('is not for an agent that is pushed to or gone', async () => {
    const pushed = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/pushed/environment`);
    const asker = new Asker(local.api, pushed['FLOWGRID_API_TOKEN']);
    const queue = pushed['SERVICEBUS_DEDICATED_QUEUE'];
    problemOf(await ask(queue, asker), 404, 'agent_not_found');
    await asker.post('/api/registry/agents/pushed/register', {
      card: cardOf('P'),
      delivery: 'push',
      endpoint: 'https://agents.example/hook',
    });
    problemOf(await ask(queue, asker), 404, 'agent_not_found');
  });

  test('stands in the ledger without the token', async () => {
    const { token } = await agent.token();
    const events = await settledTrail(owner, tenant.id);
    expect(events.filter(({ action }) => action === 'queue.token_issued').at(0)).toMatchObject({
      actor: { type: 'agent', id: 'agent-one' },
      entity: { type: 'queue', id: agent.queue },
      outcome: 'success',
    });
    expect(JSON.stringify(events)).not.toContain(/sig=([^&]+)/.exec(token)?.[1]);
  });
});
