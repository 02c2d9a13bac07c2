// Dead letters as an operator sees them: why they are some, sent once more, deleted. They come to be over AMQP, as agents and the broker make them.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { settledTrail } from '../trail.ts';
import { clientWith, type Mailbox, openMailbox, take } from './mailbox.ts';

interface Letter {
  readonly messageId: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly reason: string;
  readonly description: string;
  readonly deliveryCount: number | null;
  readonly deadLetteredAt: string;
}

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const root = new ServiceBusClient(local.serviceBus.connectionString);
afterAll(() => root.close());

let tenant: TestTenant;
let owner: Asker;
let reader: Mailbox;
let writer: Mailbox;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  [reader, writer] = await Promise.all([openMailbox(owner, tenant.id, 'reader'), openMailbox(owner, tenant.id, 'writer')]);
});

const path = '/api/messages/dead-letters';
const send = async (more: Record<string, unknown> = {}) =>
  (
    await owner.post<{ messageId: string }>('/api/messages', {
      to: 'reader',
      from: 'writer',
      messageType: 'note.taken',
      payload: { n: 1 },
      ...more,
    })
  ).messageId;

/** A message that its recipient does not read in time. */
const unread = (to = 'writer') => send({ to, from: 'reader', expiresAt: new Date(Date.now() + 1_000).toISOString() });

async function lettersOf(asker = owner, limit = 200): Promise<Letter[]> {
  const letters: Letter[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: Letter[]; nextCursor: string | null } = await asker.get(`${path}?limit=${limit}${cursor && `&cursor=${cursor}`}`);
    letters.push(...page.items);
    cursor = page.nextCursor;
  }
  return letters;
}
const letterOf = async (messageId: string) => (await lettersOf()).find((each) => each.messageId === messageId);

/** Sends, and dead-letters as the reader would. */
async function refused(count: number, reason = 'handler_failed'): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < count; at++) ids.push(await send({ payload: { at }, correlationId: 'case' }));
  await using stack = new AsyncDisposableStack();
  const client = stack.adopt(clientWith(await reader.token()), (each) => each.close());
  const receiver = client.createReceiver(reader.queue);
  for (let left = count; left > 0; ) {
    const messages = await receiver.receiveMessages(left, { maxWaitTimeInMs: 5_000 });
    for (const message of messages)
      await receiver.deadLetterMessage(message, { deadLetterReason: reason, deadLetterErrorDescription: 'it said no' });
    left -= messages.length;
  }
  return ids;
}

/** Whether a letter lies where none expires. */
async function hasMoved(messageId: string): Promise<boolean> {
  const receiver = root.createReceiver(`${tenant.id}-dlq`, { subQueueType: 'deadLetter' });
  const messages = await receiver.peekMessages(100);
  await receiver.close();
  return messages.some((each) => each.messageId === messageId);
}

async function plant(messageId: string, body: unknown, properties = {}): Promise<void> {
  const sender = root.createSender(`${tenant.id}-dlq`);
  await sender.sendMessages({ messageId, body, applicationProperties: properties });
  await sender.close();
}

describe('the list', () => {
  test('tells who, to whom, what, why and when', async () => {
    const before = Date.now();
    const [messageId = ''] = await refused(1, 'no_handler');
    expect(await letterOf(messageId)).toEqual({
      messageId,
      from: 'writer',
      to: 'reader',
      messageType: 'note.taken',
      reason: 'no_handler',
      description: 'it said no',
      deliveryCount: null,
      deadLetteredAt: expect.any(String),
    });
    expect(Date.parse((await letterOf(messageId))?.deadLetteredAt ?? '')).toBeGreaterThan(before - 1_000);
  });

  test('knows the reasons of the broker, and reasons that are none of ours', async () => {
    const expired = await unread();
    const [odd = ''] = await refused(1, 'I did not feel like it');
    const worn = await send();
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(clientWith(await reader.token()), (each) => each.close());
    const receiver = client.createReceiver(reader.queue);
    for (let count = 0; count < 10; count++)
      for (const message of await receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 })) await receiver.abandonMessage(message);

    await until('all are dead', async () => (await letterOf(expired)) !== undefined && (await letterOf(worn)) !== undefined);
    expect(await letterOf(worn)).toMatchObject({ reason: 'delivery_exhausted', deliveryCount: 10 });
    expect(await letterOf(odd)).toMatchObject({ reason: 'handler_failed', description: 'I did not feel like it: it said no' });
    expect(await letterOf(expired)).toMatchObject({ reason: 'expired', deliveryCount: null });
    // Its second end, among the dead letters, does not lose it.
    await until('it has expired there too', () => hasMoved(expired));
    expect(await letterOf(expired)).toMatchObject({ reason: 'expired' });
  });

  test('shows what is no envelope as far as it can be read, and what was noted on a letter before what the broker says', async () => {
    await plant('no-envelope', 'garbage');
    await plant(
      'noted',
      { to: 'reader', agentId: 7 },
      {
        FlowGridReason: 'endpoint_gone',
        FlowGridDescription: 'it is gone',
        FlowGridDeliveries: 3,
        DeadLetterReason: 'TTLExpiredException',
      },
    );
    expect(await letterOf('no-envelope')).toMatchObject({ from: null, to: null, messageType: null, reason: 'handler_failed' });
    expect(await letterOf('noted')).toMatchObject({ reason: 'endpoint_gone', description: 'it is gone', deliveryCount: 3 });
  });

  test('comes in pages, each letter once', async () => {
    await refused(5);
    const all = await lettersOf();
    expect(all.length).toBeGreaterThan(7);
    expect(await lettersOf(owner, 3)).toEqual(all);
    expect(await lettersOf(owner.at(there), 2)).toEqual(all);
    const { nextCursor } = await owner.get<{ nextCursor: string }>(`${path}?limit=1`);
    const other = await newTenant(local);
    problemOf(await new Asker(here, other.key).ask('GET', `${path}?cursor=${nextCursor}`), 403, 'tenant_mismatch');
    problemOf(await owner.ask('GET', `${path}?cursor=none`), 400, 'cursor_invalid');
    expect(await lettersOf(new Asker(here, other.key))).toEqual([]);
  });

  test('is for who manages messages', async () => {
    for (const [method, at] of [
      ['GET', path],
      ['POST', `${path}/x/replay`],
      ['DELETE', `${path}/x`],
    ] as const)
      problemOf(await reader.asker.ask(method, at), 403, 'scope_missing');
  });
});

describe('a replay', () => {
  test('sends the message under a new id, caused by the old one, and removes the letter', async () => {
    // One that lies behind others.
    const [, , messageId = ''] = await refused(3);
    const answer = await owner.ask<{ messageId: string }>('POST', `${path}/${messageId}/replay`);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      messageId: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
    });
    const [taken] = await take(await reader.token(), 1);
    expect(taken?.body).toMatchObject({
      messageId: answer.body.messageId,
      agentId: 'writer',
      to: 'reader',
      messageType: 'note.taken',
      payload: { at: 2 },
      correlationId: 'case',
      causationId: messageId,
    });
    const expectation = { tenantId: tenant.id, recipient: 'reader', keys: [reader.key], now: Date.now() };
    expect(verifyEnvelope(taken?.body, expectation)).toEqual({ envelope: taken?.body });
    expect(await letterOf(messageId)).toBeUndefined();
    problemOf(await owner.ask('POST', `${path}/${messageId}/replay`), 404, 'not_found');
    const events = await settledTrail(owner, tenant.id);
    expect(events.find(({ action, entity }) => action === 'message.replayed' && entity.id === messageId)).toMatchObject({
      outcome: 'success',
      new: { messageId: answer.body.messageId },
    });
  });

  test('works for one that has expired', async () => {
    const messageId = await unread();
    await until('it is dead', async () => (await letterOf(messageId)) !== undefined);
    const sent = await owner.post<{ messageId: string }>(`${path}/${messageId}/replay`);
    const [taken] = await take(await writer.token(), 1);
    expect(taken?.body).toMatchObject({ messageId: sent.messageId, causationId: messageId });
    expect(taken?.body).not.toHaveProperty('expiresAt');
  });

  test('of a payload that is stored apart stores it anew', async () => {
    const payload = { text: 'x'.repeat(200 * 1_024) };
    const messageId = await send({ to: 'writer', from: 'reader', payload, expiresAt: new Date(Date.now() + 1_000).toISOString() });
    await until('it is dead', async () => (await letterOf(messageId)) !== undefined);
    const sent = await owner.post<{ messageId: string }>(`${path}/${messageId}/replay`);
    const [taken] = await take(await writer.token(), 1);
    expect(taken?.messageId).toBe(sent.messageId);
    expect(await (await fetch(taken?.body.payload.$claim.url)).json()).toEqual(payload);
    const { url } = await writer.asker.get<{ url: string }>(`/api/messages/claims/${sent.messageId}`);
    expect(await (await fetch(url)).json()).toEqual(payload);
  });

  test('asked for by many at once sends one message', async () => {
    const [messageId = ''] = await refused(1);
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, at) => owner.at(at % 2 ? here : there).ask('POST', `${path}/${messageId}/replay`)),
    );
    const accepted = answers.filter(({ status }) => status === 202);
    expect(accepted.length).toBe(1);
    for (const { status } of answers) expect([202, 404, 409]).toContain(status);
    expect(accepted.map(({ body }) => body)).toEqual((await take(await reader.token(), 1)).map((each) => ({ messageId: each.messageId })));
  });

  test('is refused for what never was verified', async () => {
    const [messageId = ''] = await refused(1, 'signature_invalid');
    problemOf(await owner.ask('POST', `${path}/${messageId}/replay`), 409, 'not_replayable');
    await plant('forged', { messageId: 'forged', tenantId: tenant.id, agentId: 'writer', to: 'reader', messageType: 'x', payload: 1 });
    problemOf(await owner.ask('POST', `${path}/forged/replay`), 409, 'not_replayable');
    expect(await letterOf('forged')).toBeDefined();
    expect(await letterOf(messageId)).toBeDefined();
  });

  test('of a message whose recipient is gone is 404, and the letter stays', async () => {
    const gone = await openMailbox(owner, tenant.id, 'gone-soon');
    const messageId = await unread('gone-soon');
    await until('it is dead for good', () => hasMoved(messageId));
    await gone.asker.ask('DELETE', '/api/registry/agents/gone-soon/unregister');
    problemOf(await owner.ask('POST', `${path}/${messageId}/replay`), 404, 'agent_not_found');
    expect(await letterOf(messageId)).toBeDefined();
  });

  test('is asked of the policies as a message to the recipient', async () => {
    const [messageId = ''] = await refused(1);
    const policy = `/tenants/${tenant.id}/policies/no-reader`;
    await owner.ask('PUT', policy, {
      body: 'forbid (principal, action == Action::"message:send", resource == Agent::"reader");',
      headers: { 'content-type': 'text/plain' },
    });
    problemOf(await owner.ask('POST', `${path}/${messageId}/replay`), 403, 'policy_denied');
    await owner.ask('DELETE', policy);
    await owner.post(`${path}/${messageId}/replay`);
    await take(await reader.token(), 1);
  });
});

describe('deleting', () => {
  test('removes a letter for good, with an event', async () => {
    const [, messageId = ''] = await refused(2);
    expect((await owner.ask('DELETE', `${path}/${messageId}`)).status).toBe(204);
    problemOf(await owner.at(there).ask('DELETE', `${path}/${messageId}`), 404, 'not_found');
    expect(await letterOf(messageId)).toBeUndefined();
    const events = await settledTrail(owner, tenant.id);
    expect(events.filter(({ action, entity }) => action === 'message.deleted' && entity.id === messageId)).toHaveLength(1);
  });

  test('removes every letter of an id, wherever it lies, and the others stay', async () => {
    for (let count = 0; count < 3; count++) await plant('thrice', { count });
    const before = (await lettersOf()).filter(({ messageId }) => messageId !== 'thrice');
    expect((await owner.ask('DELETE', `${path}/thrice`)).status).toBe(204);
    problemOf(await owner.ask('DELETE', `${path}/thrice`), 404, 'not_found');
    expect(await lettersOf()).toEqual(before);
    // To the last one, deferred or not.
    for (const { messageId } of before) expect((await owner.ask('DELETE', `${path}/${messageId}`)).status).toBe(204);
    expect(await lettersOf()).toEqual([]);
  });
});
