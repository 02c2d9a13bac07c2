// The protocol itself, by a bare AMQP client: credit, settlement, untouched bytes, and what a hostile or odd client may try.
import { once } from 'node:events';
import rhea, { type EventContext, type Receiver } from 'rhea';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { local, ROOT_KEY, ROOT_RULE, sign, startTarget, type Target, until } from './target.ts';
import { detached, send, Wire } from './wire.ts';

describe.runIf(local)('wire', () => {
  let target: Target;
  let wire: Wire;
  beforeAll(async () => {
    target = await startTarget();
    wire = await Wire.connect(target.port);
    await wire.putToken('sb://host/', sign('sb://host/', ROOT_RULE, ROOT_KEY));
  });
  afterAll(async () => {
    await wire.close();
    await target.stop();
  });

  /** Collects what a receiver is given. */
  function collect(receiver: Receiver): EventContext[] {
    const got: EventContext[] = [];
    receiver.on('message', (context: EventContext) => got.push(context));
    return got;
  }
  const counts = (queue: string) => target.admin.getQueueRuntimeProperties(queue);

  test('one link delivers and settles 5,000 messages', async () => {
    const queue = await target.queue();
    const sender = await wire.sender(queue);
    const count = 5_000;
    let [sent, settled] = [0, 0];
    const feed = () => {
      while (sent < count && sender.sendable()) sender.send({ body: sent++ });
    };
    sender.on('sendable', feed);
    const receiver = await wire.receiver(queue);
    const seen = new Set<unknown>();
    receiver.on('message', ({ message, delivery }: EventContext) => {
      seen.add(message?.body);
      delivery?.accept();
    });
    receiver.on('settled', () => {
      settled++;
      receiver.add_credit(1);
    });
    receiver.add_credit(100);
    feed();
    await until(() => settled === count, 'all are settled');
    expect(seen.size).toBe(count);
    expect((await counts(queue)).totalMessageCount).toBe(0);
  });

  test('no more is delivered than there is credit for, and drain ends it', async () => {
    const queue = await target.queue();
    const sender = await wire.sender(queue);
    for (let body = 0; body < 10; body++) await send(sender, { body });
    const receiver = await wire.receiver(queue);
    const got = collect(receiver);
    receiver.add_credit(3);
    await until(() => got.length === 3, 'three came');
    receiver.drain_credit();
    await once(receiver, 'receiver_drained');
    receiver.drain = false;
    receiver.add_credit(20);
    await until(() => got.length === 10, 'the rest came');
    receiver.drain_credit();
    await once(receiver, 'receiver_drained');
    receiver.drain = false;
    await send(sender, { body: 'after' });
    expect(got.map(({ message }) => message?.body)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    receiver.add_credit(1);
    await until(() => got.length === 11, 'with new credit it comes');
  });

  test('drain takes what is there before it says so', async () => {
    const queue = await target.queue();
    const sender = await wire.sender(queue);
    for (let body = 0; body < 300; body++) sender.send({ body });
    await until(async () => (await counts(queue)).activeMessageCount === 300, 'all are sent');
    const receiver = await wire.receiver(queue);
    const got = collect(receiver);
    receiver.add_credit(400);
    receiver.drain_credit();
    await once(receiver, 'receiver_drained');
    expect(got.length).toBe(300);
  });

  test('receivers that wait take turns', async () => {
    const queue = await target.queue();
    const sender = await wire.sender(queue);
    const receivers = [await wire.receiver(queue), await wire.receiver(queue)];
    const got = receivers.map(collect);
    for (const receiver of receivers) receiver.add_credit(20);
    for (let body = 0; body < 10; body++) await send(sender, { body });
    await until(() => got.flat().length === 10, 'all came');
    for (let body = 10; body < 20; body++) sender.send({ body });
    await until(() => got.flat().length === 20, 'all came');
    expect(got.map(({ length }) => length)).toEqual([10, 10]);
  });

  test('several links share a session, and one without credit holds up no other', async () => {
    const queues = await Promise.all([target.queue(), target.queue()]);
    const session = wire.connection.create_session();
    session.begin();
    const open = (address?: string) => session.open_receiver({ source: { address }, credit_window: 0, autoaccept: false });
    const receivers = queues.map(open);
    await Promise.all(receivers.map((receiver) => once(receiver, 'receiver_open')));
    const [first, second] = receivers.map(collect);
    for (const queue of queues) await send(await wire.sender(queue), { body: queue });
    receivers[1]?.add_credit(1);
    await until(() => second?.length === 1, 'the second link is served');
    expect(first).toEqual([]);
    receivers[0]?.add_credit(1);
    await until(() => first?.length === 1, 'the first link is served');
    session.close();
    await once(session, 'session_close');
    await send(await wire.sender(queues[0] ?? ''), { body: 'for another' });
    const again = await wire.receiver(queues[0] ?? '');
    again.add_credit(1);
    const [{ message }] = (await once(again, 'message')) as [EventContext];
    expect(message?.body).toBe('for another');
  });

  test('what was sent is received byte by byte, and properties that are added leave the others as they were', async () => {
    const queue = await target.queue();
    const { types } = rhea;
    const application_properties = {
      long: types.wrap_long(5),
      ubyte: types.wrap_ubyte(5),
      float: types.wrap_float(0.5),
      symbol: types.wrap_symbol('s'),
      uuid: types.wrap_uuid(Buffer.alloc(16, 3)),
      huge: types.wrap_ulong(Buffer.alloc(8, 0xff)),
    };
    const encoded = rhea.message.encode({ message_id: 'm', application_properties, body: types.wrap_described('x', 'custom:type') });
    expect(await send(await wire.sender(queue), encoded, 0)).toBe('accepted');
    const { ask } = await wire.management(queue);
    const peeked = async (): Promise<Buffer> =>
      (await ask('com.microsoft:peek-message', { 'from-sequence-number': 1, 'message-count': 1 })).body.messages[0].message;
    const bare = encoded.subarray(encoded.indexOf(Buffer.of(0x00, 0x53, 0x73)));
    expect((await peeked()).includes(bare)).toBe(true);
    const receiver = await wire.receiver(queue);
    receiver.add_credit(1);
    const [{ delivery }] = (await once(receiver, 'message')) as [EventContext];
    delivery?.modified({ message_annotations: { added: 1 } });
    await once(receiver, 'settled');
    const changed = await peeked();
    expect(changed.includes(encoded.subarray(encoded.indexOf('long') - 2, encoded.indexOf('huge') + 13))).toBe(true);
    expect(changed.includes(encoded.subarray(encoded.indexOf('custom:type')))).toBe(true);
    expect(rhea.message.decode(changed)['application_properties']).toMatchObject({ long: 5, added: 1 });
  });

  test('a sender cannot forge what only the broker writes', async () => {
    const queue = await target.queue();
    const forged = {
      'x-opt-sequence-number': 999,
      'x-opt-enqueued-time': new Date(0),
      'x-opt-deadletter-source': 'elsewhere',
      'x-opt-enqueue-sequence-number': 7,
      'x-opt-locked-until': new Date(0),
      'x-opt-message-state': 2,
      'x-opt-partition-key': 'kept',
      'x-custom': 'kept',
    };
    await send(await wire.sender(queue), { body: 1, message_annotations: forged, delivery_annotations: { secret: 1 }, delivery_count: 9 });
    const receiver = await wire.receiver(queue);
    receiver.add_credit(1);
    const [{ message }] = (await once(receiver, 'message')) as [EventContext];
    expect(message?.message_annotations).toMatchObject({
      'x-opt-sequence-number': 1,
      'x-opt-enqueue-sequence-number': 0,
      'x-opt-message-state': 0,
      'x-opt-partition-key': 'kept',
      'x-custom': 'kept',
    });
    expect(message?.message_annotations).not.toHaveProperty('x-opt-deadletter-source');
    expect(message?.message_annotations?.['x-opt-enqueued-time'].getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect(message?.delivery_annotations).toBeUndefined();
    expect(message?.delivery_count ?? 0).toBe(0);
  });

  test('a batch is taken whole or not at all', async () => {
    const queue = await target.queue();
    const sender = await wire.sender(queue);
    const good = rhea.message.encode({ body: 'good' });
    const batch = (...messages: Buffer[]) => rhea.message.encode({ body: rhea.message.data_sections(messages) });
    expect(await send(sender, batch(good, Buffer.of(1, 2, 3)), 0x8001_3700)).toBe('amqp:decode-error');
    expect((await counts(queue)).totalMessageCount).toBe(0);
    expect(await send(sender, batch(good, good), 0x8001_3700)).toBe('accepted');
    expect((await counts(queue)).totalMessageCount).toBe(2);
  });

  test.each([
    ['nothing', Buffer.alloc(0), 0, 'accepted'],
    ['noise', Buffer.of(9, 9, 9), 0, 'amqp:decode-error'],
    ['a map that ends too soon', Buffer.of(0, 0x53, 0x74, 0xd1, 0, 0, 1, 0, 0, 0, 0, 2, 0xa1, 5), 0, 'amqp:decode-error'],
    ['a header that is no list', Buffer.of(0, 0x53, 0x70, 0xa1, 1, 65), 0, 'amqp:decode-error'],
    ['deep descriptors', Buffer.alloc(100_000), 0, expect.stringMatching(/^amqp:(decode|internal)-error$/)],
    ['an unknown format', rhea.message.encode({ body: 1 }), 77, 'amqp:not-implemented'],
  ])('%s as a message', async (_, bytes, format, outcome) => {
    const sender = await wire.sender(await target.queue());
    expect(await send(sender, bytes, format)).toEqual(outcome);
    expect(await send(sender, { body: 'still there' })).toBe('accepted');
  });

  test('a receiver that settles first, or refuses in its own words, is understood', async () => {
    const queue = await target.queue();
    const sender = await wire.sender(queue);
    await send(sender, { body: 'first' });
    await send(sender, { body: 'refused' });
    const receiver = await wire.receiver(queue, { rcv_settle_mode: 0 });
    const got = collect(receiver);
    receiver.add_credit(2);
    await until(() => got.length === 2, 'both came');
    got[0]?.delivery?.accept();
    // In one turn rhea would say the second was accepted too.
    await until(async () => (await counts(queue)).activeMessageCount === 1, 'the first is settled');
    got[1]?.delivery?.reject({ condition: 'my:condition', description: 'my words' });
    await until(async () => (await counts(queue)).activeMessageCount === 0, 'both are settled');
    const letters = await target.client().createReceiver(queue, { subQueueType: 'deadLetter' }).peekMessages(2);
    expect(letters.map(({ deadLetterReason, deadLetterErrorDescription }) => [deadLetterReason, deadLetterErrorDescription])).toEqual([
      ['my:condition', 'my words'],
    ]);
  });

  test('links of a queue that changes are detached with the reason', async () => {
    const queue = await target.queue();
    const [sender, receiver] = [await wire.sender(queue), await wire.receiver(queue)];
    const set = async (status: 'SendDisabled' | 'Disabled') =>
      target.admin.updateQueue({ ...(await target.admin.getQueue(queue)), status });
    await set('SendDisabled');
    expect(await detached(sender)).toBe('com.microsoft:entity-disabled');
    expect(receiver.is_open()).toBe(true);
    await set('Disabled');
    expect(await detached(receiver)).toBe('com.microsoft:entity-disabled');
    await expect(wire.receiver(`${queue}/$DeadLetterQueue`)).rejects.toThrow('com.microsoft:entity-disabled');
    await target.admin.updateQueue({ ...(await target.admin.getQueue(queue)), status: 'Active' });
    const last = await wire.receiver(queue);
    await target.admin.deleteQueue(queue);
    expect(await detached(last)).toBe('amqp:not-found');
  });

  test.each([
    ['transactions', (session: ReturnType<typeof wire.connection.create_session>) => session.open_sender({ target: {} })],
    [
      'transfer queues',
      (session: ReturnType<typeof wire.connection.create_session>) => session.open_receiver('any/$Transfer/$DeadLetterQueue'),
    ],
  ])('%s are not modelled', async (_, open) => {
    const session = wire.connection.create_session();
    session.begin();
    expect(await detached(open(session))).toBe('amqp:not-implemented');
  });

  test('an unknown management operation is refused by name', async () => {
    const queue = await target.queue();
    const management = await wire.management(queue);
    const ask = async (operation: string, body: unknown) => (await management.ask(operation, body)).application_properties;
    expect(await ask('com.microsoft:get-session-state', {})).toMatchObject({ statusCode: 501, errorCondition: 'amqp:not-implemented' });
    expect(await ask('toString', {})).toMatchObject({ statusCode: 501 });
    expect(await ask('com.microsoft:peek-message', 'no map')).toMatchObject({
      statusCode: 400,
      errorCondition: 'com.microsoft:argument-error',
    });
    expect(await ask('com.microsoft:renew-lock', { 'lock-tokens': [] })).toMatchObject({ statusCode: 400 });
    const tokens = rhea.types.wrap_array([Buffer.alloc(16)], 0x98, undefined);
    expect(await ask('com.microsoft:renew-lock', { 'lock-tokens': tokens })).toMatchObject({ statusCode: 410 });
  });
});
