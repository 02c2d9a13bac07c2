// What a queue's settings do to messages and links: forwarding of dead letters, status, size, deletion, and the namespace's limits.
import { afterAll, describe, expect, test } from 'vitest';
import { local, startTarget, until } from './target.ts';

const target = await startTarget();
afterAll(() => target.stop());
const client = target.client();
const patient = { maxWaitTimeInMs: 8_000 };
const counts = (queue: string) => target.admin.getQueueRuntimeProperties(queue);

async function setStatus(name: string, status: 'Active' | 'Disabled' | 'SendDisabled' | 'ReceiveDisabled') {
  await target.admin.updateQueue({ ...(await target.admin.getQueue(name)), status });
}

async function deadLetterOne(queue: string, body: unknown) {
  await client.createSender(queue).sendMessages({ body, applicationProperties: { kept: 'yes' } });
  const receiver = client.createReceiver(queue);
  const [message] = await receiver.receiveMessages(1, patient);
  if (!message) throw new Error('no message came');
  await receiver.deadLetterMessage(message, { deadLetterReason: 'reason', deadLetterErrorDescription: 'words' });
  return message;
}

test('dead letters are forwarded with their reason and where they come from', async () => {
  const letters = await target.queue();
  const queue = await target.queue({ forwardDeadLetteredMessagesTo: letters, maxDeliveryCount: 1 });
  const message = await deadLetterOne(queue, 'rejected');
  const [forwarded] = await client.createReceiver(letters).receiveMessages(1, patient);
  expect(forwarded).toMatchObject({
    body: 'rejected',
    messageId: message.messageId,
    deadLetterSource: queue,
    deadLetterReason: 'reason',
    deadLetterErrorDescription: 'words',
    deliveryCount: 0,
    enqueuedSequenceNumber: message.sequenceNumber?.toNumber(),
    applicationProperties: { kept: 'yes' },
  });
  expect((await counts(queue)).totalMessageCount).toBe(0);
});

test('dead letters stay when the destination is disabled, or gone', async () => {
  const letters = await target.queue();
  const queue = await target.queue({ forwardDeadLetteredMessagesTo: letters });
  await setStatus(letters, 'SendDisabled');
  await deadLetterOne(queue, 'one');
  expect(await counts(queue)).toMatchObject({ deadLetterMessageCount: 1 });
  expect((await counts(letters)).totalMessageCount).toBe(0);
  if (!local) return;
  await target.admin.deleteQueue(letters);
  await deadLetterOne(queue, 'two');
  expect(await counts(queue)).toMatchObject({ deadLetterMessageCount: 2 });
});

test.runIf(local)('two queues that forward to each other do not play for ever', async () => {
  const settings = { defaultMessageTimeToLive: 'PT1S', deadLetteringOnMessageExpiration: true };
  const first = await target.queue(settings);
  const second = await target.queue({ ...settings, forwardDeadLetteredMessagesTo: first });
  await target.admin.updateQueue({ ...(await target.admin.getQueue(first)), forwardDeadLetteredMessagesTo: second });
  await client.createSender(first).sendMessages({ body: 'ball', timeToLive: 50 });
  await until(async () => (await counts(first)).deadLetterMessageCount === 1, 'the message has made its four hops');
});

test('a queue that takes none refuses senders and keeps its messages', async () => {
  const queue = await target.queue();
  await client.createSender(queue).sendMessages({ body: 'before' });
  await setStatus(queue, 'SendDisabled');
  const refused = target.client().createSender(queue).sendMessages({ body: 'during' });
  await expect(refused).rejects.toMatchObject({ code: 'MessagingEntityDisabled' });
  const [message] = await client.createReceiver(queue, { receiveMode: 'receiveAndDelete' }).receiveMessages(1, patient);
  expect(message?.body).toBe('before');
  await setStatus(queue, 'Active');
  await target.client().createSender(queue).sendMessages({ body: 'after' });
  expect((await counts(queue)).activeMessageCount).toBe(1);
});

test('a queue that gives none detaches its receivers and lets them back when it does', async () => {
  const queue = await target.queue();
  const sender = client.createSender(queue);
  const retrying = client.createReceiver(queue);
  const bodies: unknown[] = [];
  const codes: unknown[] = [];
  retrying.subscribe({
    processMessage: async ({ body }) => void bodies.push(body),
    processError: async ({ error }) => void codes.push('code' in error ? error.code : error),
  });
  await sender.sendMessages({ body: 'before' });
  await until(() => bodies.length === 1, 'the subscription is running');
  await setStatus(queue, 'ReceiveDisabled');
  await until(() => codes.includes('MessagingEntityDisabled'), 'the receiver is told');
  await sender.sendMessages({ body: 'meanwhile' });
  await expect(client.createReceiver(queue).receiveMessages(1, patient)).rejects.toMatchObject({ code: 'MessagingEntityDisabled' });
  expect(bodies).toEqual(['before']);
  await setStatus(queue, 'Active');
  await until(() => bodies.length === 2, 'the subscription is back');
  await retrying.close();
});

test('a deleted queue takes its links along', async () => {
  const queue = await target.queue();
  const receiver = client.createReceiver(queue);
  const waiting = expect(receiver.receiveMessages(1, patient)).rejects.toMatchObject({ code: 'MessagingEntityNotFound' });
  await client.createSender(queue).scheduleMessages({ body: 1 }, new Date(Date.now() + 60_000));
  await target.admin.deleteQueue(queue);
  await waiting;
  await expect(client.createSender(queue).sendMessages({ body: 1 })).rejects.toMatchObject({ code: 'MessagingEntityNotFound' });
  await target.admin.createQueue(queue);
  expect(await client.createReceiver(queue).peekMessages(1)).toEqual([]);
});

describe.runIf(local)('limits', () => {
  test('a full queue refuses, whole batches too, until it is emptied', async () => {
    const small = await startTarget({ queueBytes: 10_000 });
    const queue = await small.queue();
    const sender = small.client().createSender(queue);
    await sender.sendMessages({ body: Buffer.alloc(6_000) });
    const full = { code: 'QuotaExceeded' };
    await expect(sender.sendMessages({ body: Buffer.alloc(6_000) })).rejects.toMatchObject(full);
    await expect(sender.sendMessages([{ body: Buffer.alloc(100) }, { body: Buffer.alloc(6_000) }])).rejects.toMatchObject(full);
    await expect(sender.scheduleMessages({ body: Buffer.alloc(6_000) }, new Date(Date.now() + 60_000))).rejects.toMatchObject(full);
    expect((await small.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(1);
    // Neighbours in one turn: each is told its own outcome.
    const sizes = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 10 : 5_000));
    const results = await Promise.allSettled(sizes.map((size) => sender.sendMessages({ body: Buffer.alloc(size) })));
    expect(results.map(({ status }) => status)).toEqual(sizes.map((size) => (size === 10 ? 'fulfilled' : 'rejected')));
    expect((await small.admin.getQueueRuntimeProperties(queue)).totalMessageCount).toBe(11);
    await small.client().createReceiver(queue, { receiveMode: 'receiveAndDelete' }).receiveMessages(11, patient);
    await sender.sendMessages({ body: Buffer.alloc(6_000) });
    await small.stop();
  });

  test('a full destination leaves dead letters where they are', async () => {
    const small = await startTarget({ queueBytes: 10_000 });
    const letters = await small.queue();
    const queue = await small.queue({ forwardDeadLetteredMessagesTo: letters, deadLetteringOnMessageExpiration: true });
    await small
      .client()
      .createSender(letters)
      .sendMessages({ body: Buffer.alloc(6_000) });
    await small
      .client()
      .createSender(queue)
      .sendMessages({ body: Buffer.alloc(6_000), timeToLive: 1 });
    await until(async () => (await small.admin.getQueueRuntimeProperties(queue)).deadLetterMessageCount === 1, 'it is dead-lettered');
    await small.stop();
  });

  test('the namespace has room for so many queues and connections', async () => {
    const small = await startTarget({ entities: 2, connections: 2 });
    const queue = await small.queue();
    await small.queue();
    await expect(small.queue()).rejects.toMatchObject({ code: 'QuotaExceededError', statusCode: 403 });
    await small.client().createSender(queue).sendMessages({ body: 1 });
    const second = small.client();
    await second.createSender(queue).sendMessages({ body: 2 });
    const refused = small.client().createSender(queue).sendMessages({ body: 3 });
    await expect(refused).rejects.toMatchObject({ code: 'QuotaExceeded' });
    await second.close();
    const third = small.client().createSender(queue);
    await until(
      () =>
        third.sendMessages({ body: 3 }).then(
          () => true,
          () => false,
        ),
      'there is room again',
    );
    expect((await small.admin.getQueueRuntimeProperties(queue)).activeMessageCount).toBe(3);
    await small.stop();
  });
});
