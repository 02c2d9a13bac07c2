// Sending, receiving and settling through the SDK.
import type { ServiceBusReceivedMessage } from '@azure/service-bus';
import { afterAll, expect, test } from 'vitest';
import { SHORT_LOCK, startTarget, until } from './target.ts';

const target = await startTarget();
afterAll(() => target.stop());
const client = target.client();
const patient = { maxWaitTimeInMs: 8_000 };
const brief = { maxWaitTimeInMs: 100 };

async function one(receiver: {
  receiveMessages: ReturnType<typeof client.createReceiver>['receiveMessages'];
}): Promise<ServiceBusReceivedMessage> {
  const [message] = await receiver.receiveMessages(1, patient);
  if (!message) throw new Error('no message came');
  return message;
}

test('a message arrives as it was sent, with what the broker adds', async () => {
  const queue = await target.queue({ lockDuration: 'PT30S' });
  const when = new Date('2026-01-02T03:04:05.678Z');
  const sent = {
    body: { nested: ['ü', 1, null] },
    messageId: 'id-1',
    correlationId: 'correlation',
    contentType: 'application/json',
    subject: 'subject',
    replyTo: 'reply',
    to: 'to',
    sessionId: 'group',
    applicationProperties: { text: 'x', integer: 7, big: 5_000_000_000, negative: -3, fraction: 1.5, yes: true, when },
    timeToLive: 60_000,
  };
  const before = Date.now();
  await client.createSender(queue).sendMessages(sent);
  const message = await one(client.createReceiver(queue));
  expect(message).toMatchObject({ ...sent, applicationProperties: { ...sent.applicationProperties, when: when.getTime() } });
  expect(message).toMatchObject({ deliveryCount: 0, state: 'active', enqueuedSequenceNumber: 0 });
  expect(message.sequenceNumber?.toNumber()).toBe(1);
  expect(message.enqueuedTimeUtc?.getTime()).toBeGreaterThan(before - 2_000);
  expect((message.lockedUntilUtc?.getTime() ?? 0) - (message.enqueuedTimeUtc?.getTime() ?? 0)).toBeGreaterThanOrEqual(30_000);
  expect(message.expiresAtUtc?.getTime()).toBe((message.enqueuedTimeUtc?.getTime() ?? 0) + 60_000);
  expect(message.lockToken).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
});

test('value and sequence bodies, and binary ones, keep their kind', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages([
    { bodyType: 'value', body: 'v' },
    { bodyType: 'sequence', body: [[1, 'two']] },
    { bodyType: 'data', body: Buffer.of(0, 255) },
  ]);
  const messages = await client.createReceiver(queue).receiveMessages(3, patient);
  expect(messages.map(({ body }) => body)).toEqual(['v', [[1, 'two']], Buffer.of(0, 255)]);
  expect(messages.map(({ _rawAmqpMessage: raw }) => raw.bodyType)).toEqual(['value', 'sequence', 'data']);
});

test('a message without an id is given one', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages([{ body: 1 }, { body: 2, subject: 'kept' }]);
  const [first, second] = await client.createReceiver(queue).receiveMessages(2, patient);
  expect(first?.messageId).toMatch(/^[\da-f]{32}$/);
  expect(second).toMatchObject({ messageId: expect.stringMatching(/^[\da-f]{32}$/), subject: 'kept' });
  expect(first?.messageId).not.toBe(second?.messageId);
});

test('messages come in the order they were sent, numbered upwards', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  await sender.sendMessages(Array.from({ length: 50 }, (_, body) => ({ body })));
  for (let body = 50; body < 60; body++) await sender.sendMessages({ body });
  const receiver = client.createReceiver(queue, { receiveMode: 'receiveAndDelete' });
  const messages: ServiceBusReceivedMessage[] = [];
  while (messages.length < 60) messages.push(...(await receiver.receiveMessages(60 - messages.length, patient)));
  expect(messages.map(({ body }) => body)).toEqual(Array.from({ length: 60 }, (_, body) => body));
  expect(messages.map(({ sequenceNumber }) => sequenceNumber?.toNumber())).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
});

test('a batch and a message have 256 KB; more is refused and harms nobody', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  const batch = await sender.createMessageBatch();
  expect(batch.maxSizeInBytes).toBe(262_144);
  let added = 0;
  while (batch.tryAddMessage({ body: Buffer.alloc(20_000, added) })) added++;
  expect(added).toBe(13);
  await sender.sendMessages(batch);
  await sender.sendMessages({ body: Buffer.alloc(261_000, 7), messageId: 'large' });
  await expect(sender.sendMessages({ body: Buffer.alloc(263_000) })).rejects.toMatchObject({ code: 'MessageSizeExceeded' });
  await expect(sender.sendMessages({ body: Buffer.alloc(3_000_000) })).rejects.toMatchObject({ code: 'MessageSizeExceeded' });
  await sender.sendMessages({ body: 'after' });
  const messages = await client.createReceiver(queue).receiveMessages(15, patient);
  expect(messages).toHaveLength(15);
  expect(messages[12]?.body).toEqual(Buffer.alloc(20_000, 12));
  expect(messages[13]?.body).toEqual(Buffer.alloc(261_000, 7));
  expect(messages[14]?.body).toBe('after');
});

test('a locked message is for one receiver; complete removes it', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages({ body: 'once' });
  const receiver = client.createReceiver(queue);
  const message = await one(receiver);
  expect(await client.createReceiver(queue).receiveMessages(1, brief)).toEqual([]);
  expect((await target.admin.getQueueRuntimeProperties(queue)).activeMessageCount).toBe(1);
  await receiver.completeMessage(message);
  expect((await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(0);
  expect(await receiver.peekMessages(1)).toEqual([]);
});

test('receive-and-delete takes a message for good', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages({ body: 'gone' });
  const message = await one(client.createReceiver(queue, { receiveMode: 'receiveAndDelete' }));
  expect(message).toMatchObject({ body: 'gone', lockToken: undefined });
  expect((await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(0);
});

test('abandon gives a message back with a higher delivery count and changed properties', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages({ body: 'again', applicationProperties: { kept: 1, changed: 'old' } });
  const receiver = client.createReceiver(queue);
  await receiver.abandonMessage(await one(receiver), { changed: 'new', added: true });
  const message = await one(receiver);
  expect(message.deliveryCount).toBe(1);
  expect(message.applicationProperties).toEqual({ kept: 1, changed: 'new', added: true });
});

test('release, which the SDK has no word for, gives a message back and counts no delivery', async () => {
  const queue = await target.queue({ maxDeliveryCount: 2 });
  await client.createSender(queue).sendMessages({ body: 'not mine' });
  const receiver = client.createReceiver(queue);
  for (let i = 0; i < 4; i++) {
    const message = await one(receiver);
    expect(message.deliveryCount).toBe(0);
    // The class behind the interface has the delivery of the AMQP client.
    const { delivery } = message as unknown as { delivery: { modified(): void; release(): void } };
    delivery.modified = () => delivery.release();
    await receiver.abandonMessage(message);
  }
});

test('a message delivered in vain too often is dead-lettered', async () => {
  const queue = await target.queue({ maxDeliveryCount: 2 });
  await client.createSender(queue).sendMessages({ body: 'poison' });
  const receiver = client.createReceiver(queue);
  await receiver.abandonMessage(await one(receiver));
  await receiver.abandonMessage(await one(receiver));
  expect(await receiver.receiveMessages(1, brief)).toEqual([]);
  const letters = client.createReceiver(queue, { subQueueType: 'deadLetter' });
  const letter = await one(letters);
  expect(letter).toMatchObject({ body: 'poison', deadLetterReason: 'MaxDeliveryCountExceeded', deliveryCount: 2 });
  expect(letter.deadLetterErrorDescription).toMatch(/2 delivery attempts/);
});

test('a dead letter keeps its number, carries its reason, and stays until completed', async () => {
  const queue = await target.queue({ maxDeliveryCount: 1 });
  await client.createSender(queue).sendMessages({ body: 'bad', applicationProperties: { from: 'a' } });
  const receiver = client.createReceiver(queue);
  const message = await one(receiver);
  await receiver.deadLetterMessage(message, { deadLetterReason: 'reason', deadLetterErrorDescription: 'words', code: 42 });
  const letters = client.createReceiver(queue, { subQueueType: 'deadLetter' });
  expect((await letters.peekMessages(5)).map(({ body }) => body)).toEqual(['bad']);
  for (let i = 0; i < 3; i++) await letters.abandonMessage(await one(letters));
  const letter = await one(letters);
  expect(letter.sequenceNumber).toEqual(message.sequenceNumber);
  expect(letter.applicationProperties).toEqual({ from: 'a', code: 42, DeadLetterReason: 'reason', DeadLetterErrorDescription: 'words' });
  await expect(letters.deadLetterMessage(letter)).rejects.toMatchObject({ code: 'GeneralError' });
  expect((await target.admin.getQueueRuntimeProperties(queue)).activeMessageCount).toBe(0);
});

test('nothing can be sent to a dead-letter queue', async () => {
  const queue = await target.queue();
  await expect(client.createSender(`${queue}/$DeadLetterQueue`).sendMessages({ body: 1 })).rejects.toThrow();
  expect((await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(0);
});

test('deferred messages wait to be asked for by number', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages([{ body: 'first' }, { body: 'second' }]);
  const receiver = client.createReceiver(queue);
  const [first, second] = await receiver.receiveMessages(2, patient);
  if (!first?.sequenceNumber || !second?.sequenceNumber) throw new Error('two messages were sent');
  await receiver.deferMessage(first, { why: 'later' });
  await receiver.deferMessage(second);
  expect(await receiver.receiveMessages(1, brief)).toEqual([]);
  expect((await receiver.peekMessages(2)).map(({ state }) => state)).toEqual(['deferred', 'deferred']);
  const [again] = await receiver.receiveDeferredMessages(first.sequenceNumber);
  expect(again).toMatchObject({ body: 'first', state: 'deferred', deliveryCount: 1, applicationProperties: { why: 'later' } });
  await expect(receiver.receiveDeferredMessages(first.sequenceNumber)).rejects.toMatchObject({ code: 'MessageNotFound' });
  if (again) await receiver.abandonMessage(again);
  const [third] = await receiver.receiveDeferredMessages([first.sequenceNumber]);
  if (third) await receiver.completeMessage(third);
  const [taken] = await client.createReceiver(queue, { receiveMode: 'receiveAndDelete' }).receiveDeferredMessages(second.sequenceNumber);
  expect(taken?.body).toBe('second');
  expect(await target.admin.getQueueRuntimeProperties(queue)).toMatchObject({ totalMessageCount: 0, sizeInBytes: 0 });
});

test('peek shows all states from a sequence number on, and locks nothing', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  await sender.sendMessages(Array.from({ length: 5 }, (_, body) => ({ body })));
  await sender.sendMessages({ body: 'scheduled', scheduledEnqueueTimeUtc: new Date(Date.now() + 60_000) });
  const receiver = client.createReceiver(queue);
  const locked = await one(receiver);
  expect((await receiver.peekMessages(4)).map(({ body }) => body)).toEqual([0, 1, 2, 3]);
  expect((await receiver.peekMessages(4)).map(({ body, state }) => [body, state])).toEqual([
    [4, 'active'],
    ['scheduled', 'scheduled'],
  ]);
  const from = locked.sequenceNumber?.add(2);
  expect((await receiver.peekMessages(2, from && { fromSequenceNumber: from })).map(({ body }) => body)).toEqual([2, 3]);
  await receiver.completeMessage(locked);
});

test('a renewed lock outlives its first end', async () => {
  const queue = await target.queue({ lockDuration: SHORT_LOCK });
  await client.createSender(queue).sendMessages({ body: 'held' });
  const receiver = client.createReceiver(queue, { maxAutoLockRenewalDurationInMs: 0 });
  const message = await one(receiver);
  const first = message.lockedUntilUtc?.getTime() ?? 0;
  await until(() => Date.now() > first - 400, 'the lock is about to end');
  const renewed = await receiver.renewMessageLock(message);
  expect(renewed.getTime()).toBeGreaterThan(first);
  await until(() => Date.now() > first + 100, 'the first lock has ended');
  await receiver.completeMessage(message);
});

test('when a lock ends the message goes to another, and the first can neither settle nor renew', async () => {
  const queue = await target.queue({ lockDuration: SHORT_LOCK });
  await client.createSender(queue).sendMessages({ body: 'lost' });
  const receiver = client.createReceiver(queue, { maxAutoLockRenewalDurationInMs: 0 });
  const message = await one(receiver);
  const other = client.createReceiver(queue, { maxAutoLockRenewalDurationInMs: 0 });
  const again = await one(other);
  expect(again).toMatchObject({ body: 'lost', deliveryCount: 1 });
  expect(Date.now()).toBeGreaterThanOrEqual(message.lockedUntilUtc?.getTime() ?? Number.POSITIVE_INFINITY);
  await expect(receiver.completeMessage(message)).rejects.toMatchObject({ code: 'MessageLockLost' });
  await expect(receiver.renewMessageLock(message)).rejects.toMatchObject({ code: 'MessageLockLost' });
  await other.completeMessage(again);
});

test('a message can be settled after its link is gone', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages([{ body: 'complete' }, { body: 'letter' }]);
  const gone = client.createReceiver(queue);
  const [first, second] = await gone.receiveMessages(2, patient);
  await gone.close();
  const receiver = client.createReceiver(queue);
  if (first) await receiver.completeMessage(first);
  if (second) await receiver.deadLetterMessage(second, { deadLetterReason: 'late', deadLetterErrorDescription: '' });
  expect(await target.admin.getQueueRuntimeProperties(queue)).toMatchObject({ activeMessageCount: 0, deadLetterMessageCount: 1 });
});

test('expired messages vanish, or are dead-lettered when the queue says so; the shorter life counts', async () => {
  const [dropping, keeping] = await Promise.all([
    target.queue(),
    target.queue({ deadLetteringOnMessageExpiration: true, defaultMessageTimeToLive: 'PT1S' }),
  ]);
  await client.createSender(dropping).sendMessages([{ body: 'short', timeToLive: 300 }, { body: 'long' }]);
  await client.createSender(keeping).sendMessages([{ body: 'default' }, { body: 'own', timeToLive: 60_000 }]);
  await until(async () => (await target.admin.getQueueRuntimeProperties(dropping)).totalMessageCount === 1, 'one has expired');
  await until(async () => (await target.admin.getQueueRuntimeProperties(keeping)).deadLetterMessageCount === 2, 'both are dead-lettered');
  expect((await one(client.createReceiver(dropping))).body).toBe('long');
  const letters = await client.createReceiver(keeping, { subQueueType: 'deadLetter' }).receiveMessages(2, patient);
  expect(letters.map(({ body, deadLetterReason }) => [body, deadLetterReason])).toEqual([
    ['default', 'TTLExpiredException'],
    ['own', 'TTLExpiredException'],
  ]);
});

test('a message may expire while it is locked, and still be completed', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages([
    { body: 'completed', timeToLive: 400 },
    { body: 'abandoned', timeToLive: 400 },
  ]);
  const receiver = client.createReceiver(queue);
  const [first, second] = await receiver.receiveMessages(2, patient);
  await until(() => Date.now() > (second?.expiresAtUtc?.getTime() ?? 0), 'both have expired');
  if (first) await receiver.completeMessage(first);
  if (second) await receiver.abandonMessage(second);
  expect(await receiver.receiveMessages(1, brief)).toEqual([]);
});

test('scheduled messages come at their time under a new number, or never when cancelled', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  const time = new Date(Date.now() + 700);
  const [first, second] = await sender.scheduleMessages([{ body: 'cancelled' }, { body: 'comes' }], time);
  await sender.sendMessages({ body: 'sent scheduled', scheduledEnqueueTimeUtc: time });
  expect(await target.admin.getQueueRuntimeProperties(queue)).toMatchObject({ scheduledMessageCount: 3, activeMessageCount: 0 });
  if (!first || !second) throw new Error('two were scheduled');
  await sender.cancelScheduledMessages(first);
  await expect(sender.cancelScheduledMessages(first)).rejects.toMatchObject({ code: 'MessageNotFound' });
  const receiver = client.createReceiver(queue);
  const messages = [await one(receiver), await one(receiver)];
  expect(Date.now()).toBeGreaterThanOrEqual(time.getTime());
  expect(messages.map(({ body }) => body).sort()).toEqual(['comes', 'sent scheduled']);
  for (const message of messages) {
    expect(message.sequenceNumber?.toNumber()).toBeGreaterThan(3);
    expect(message.enqueuedTimeUtc?.getTime()).toBeGreaterThanOrEqual(time.getTime());
    expect(message.scheduledEnqueueTimeUtc).toEqual(time);
  }
});

test('a subscription is given every message once, in parallel', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  const seen = new Map<unknown, number>();
  let [running, most] = [0, 0];
  const receiver = client.createReceiver(queue);
  const failed: unknown[] = [];
  receiver.subscribe(
    {
      processMessage: async ({ body }) => {
        most = Math.max(most, ++running);
        await new Promise(setImmediate);
        seen.set(body, (seen.get(body) ?? 0) + 1);
        running--;
      },
      processError: async ({ error }) => void failed.push(error),
    },
    { maxConcurrentCalls: 16 },
  );
  await Promise.all(Array.from({ length: 300 }, (_, body) => sender.sendMessages({ body })));
  await until(async () => (await target.admin.getQueueRuntimeProperties(queue)).totalMessageCount === 0, 'all are completed');
  expect(seen.size).toBe(300);
  expect(new Set(seen.values())).toEqual(new Set([1]));
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(16);
  expect((await target.admin.getQueueRuntimeProperties(queue)).sizeInBytes).toBe(0);
  expect(failed).toEqual([]);
  await receiver.close();
});

test('a receive that ends early takes its credit along', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  const impatient = client.createReceiver(queue);
  expect(await impatient.receiveMessages(10, brief)).toEqual([]);
  await sender.sendMessages({ body: 'first' });
  expect((await impatient.receiveMessages(10, brief)).map(({ body }) => body)).toEqual(['first']);
  await sender.sendMessages({ body: 'second' });
  expect((await one(client.createReceiver(queue))).body).toBe('second');
  await sender.sendMessages({ body: 'third' });
  expect((await impatient.receiveMessages(1, patient)).map(({ body }) => body)).toEqual(['third']);
});

test('waiting receivers share what comes', async () => {
  const queue = await target.queue();
  const receivers = [client.createReceiver(queue), client.createReceiver(queue)];
  const waiting = receivers.map((receiver) => receiver.receiveMessages(1, patient));
  await until(async () => await target.admin.queueExists(queue), 'the queue is there');
  await client.createSender(queue).sendMessages([{ body: 1 }, { body: 2 }]);
  const bodies = (await Promise.all(waiting)).flat().map(({ body }) => body);
  expect(bodies.sort()).toEqual([1, 2]);
});

test('sessions are refused by name', async () => {
  const queue = await target.queue();
  await expect(client.acceptSession(queue, 'any')).rejects.toThrow(/session/i);
  await expect(client.acceptNextSession(queue)).rejects.toThrow(/session/i);
});
