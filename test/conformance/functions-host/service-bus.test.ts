// Service Bus queue triggers against the twin's broker, messages sent by the unmodified SDK.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceBusAdministrationClient, ServiceBusClient, type ServiceBusMessage } from '@azure/service-bus';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Faults } from '../../../local/faults.ts';
import { startServiceBus } from '../../../local/service-bus/start.ts';
import { type HostProcess, type LogLine, startHost } from './host-process.ts';

const key = 'SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=cm9vdA==;UseDevelopmentEmulator=true';

describe('queue triggers', () => {
  let folder: string;
  let broker: Awaited<ReturnType<typeof startServiceBus>>;
  let client: ServiceBusClient;
  let host: HostProcess;

  const start = (port: number, adminPort: number) =>
    startServiceBus({ folder, port, adminPort, rootKey: 'cm9vdA==', durable: false, faults: new Faults() });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flowgrid-queues-'));
    broker = await start(0, 0);
    const administration = new ServiceBusAdministrationClient(`Endpoint=sb://127.0.0.1:${broker.adminPort};${key}`);
    // 7.9.5 insists on https (azure-sdk-for-js#32757); `pipeline` is protected in its types only
    (administration as unknown as { pipeline: { addPolicy(policy: object): void } }).pipeline.addPolicy({
      name: 'plain http',
      sendRequest: (request: { url: string; allowInsecureConnection: boolean }, next: (request: object) => unknown) =>
        next(Object.assign(request, { url: request.url.replace('https:', 'http:'), allowInsecureConnection: true })),
    });
    await administration.createQueue('work', { maxDeliveryCount: 2 });
    await administration.createQueue('raw');
    const connection = `Endpoint=sb://127.0.0.1:${broker.port};${key}`;
    client = new ServiceBusClient(connection);
    host = await startHost('queue', {
      settings: { BUS: connection, WORK_QUEUE: 'work' },
      hostJson: { extensions: { serviceBus: { maxConcurrentCalls: 2 } } },
    });
  });
  afterAll(async () => {
    await host?.stop();
    await client?.close();
    await broker?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const send = (queue: string, message: ServiceBusMessage) => client.createSender(queue).sendMessages(message);
  const handled = async (wanted: (line: LogLine) => boolean) =>
    JSON.parse((await host.line((line) => line.category.endsWith('.User') && wanted(line))).message);

  it('hands over a JSON body parsed, with the real metadata', async () => {
    const sent = { messageId: '1', subject: 'greeting', correlationId: 'c-1', applicationProperties: { tenant: 'acme', n: 5 } };
    await send('work', { ...sent, body: { hello: 'world' } });
    const { message, metadata } = await handled((line) => line.message.includes('"hello"'));
    expect(message).toEqual({ hello: 'world' });
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/;
    expect(metadata).toMatchObject({
      messageId: 1, // a number: the library parses every string it can
      deliveryCount: 1,
      sequenceNumber: expect.any(Number),
      lockToken: expect.stringMatching(/^[0-9a-f-]{36}$/),
      enqueuedTimeUtc: expect.stringMatching(time),
      expiresAtUtc: expect.stringMatching(time),
      enqueuedTime: expect.stringMatching(/\+00:00$/),
      subject: 'greeting',
      label: 'greeting',
      correlationId: 'c-1',
      // the library lower-cases first letters all the way down
      applicationProperties: { tenant: 'acme', n: 5 },
      userProperties: { tenant: 'acme', n: 5 },
      hello: 'world',
    });
  });

  it('lets a JSON body overwrite the metadata of the same name, as the real host does', async () => {
    await send('work', { messageId: 'true-id', body: { MESSAGEID: 'from the body', flag: true, list: [1], nothing: null } });
    const { metadata } = await handled((line) => line.message.includes('from the body'));
    expect(metadata).toMatchObject({ messageId: 'from the body', flag: 'True' });
    expect(metadata).not.toHaveProperty('list');
    expect(metadata).not.toHaveProperty('nothing');
  });

  it('hands over what is not JSON as a string, or as bytes if asked', async () => {
    await send('work', { body: Buffer.from('just text') });
    expect(await handled((line) => line.message.includes('just text'))).toMatchObject({ message: 'just text', type: 'string' });
    await send('raw', { body: Buffer.from('00ff', 'hex') });
    expect(await handled((line) => line.function === 'raw')).toEqual({ bytes: '00ff' });
  });

  it('abandons what a function throws at, until the broker dead-letters it', async () => {
    await send('work', { messageId: 'bad', body: { fail: true } });
    const [dead] = await client.createReceiver('work', { subQueueType: 'deadLetter' }).receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    expect(dead).toMatchObject({ messageId: 'bad', deadLetterReason: 'MaxDeliveryCountExceeded' });
    const failures = host.lines.filter(({ level, message }) => level === 'error' && message.includes('refused by the handler'));
    expect(failures.map(({ function: name }) => name)).toEqual(['work', 'work']);
  });

  it('goes on by itself when the broker was away, even if that befell a message under way', async () => {
    const { port, adminPort } = broker;
    await send('work', { body: { slow: 'when the broker goes' } });
    await handled((line) => line.message.includes('when the broker goes'));
    await broker.stop();
    await host.line(({ message }) => message.includes('the connection was lost meanwhile'));
    broker = await start(port, adminPort);
    await client.close();
    client = new ServiceBusClient(`Endpoint=sb://127.0.0.1:${port};${key}`);
    await send('work', { body: 'after the break' });
    await handled((line) => line.message.includes('after the break'));
  });

  it('finishes the message under way when it stops, and takes no other', async () => {
    await send('raw', { messageId: 'slow', body: Buffer.from('slow') });
    await handled((line) => line.function === 'raw' && line.message.includes(Buffer.from('slow').toString('hex')));
    await host.stop();
    await send('raw', { messageId: 'later', body: '' });
    const left = await client.createReceiver('raw').peekMessages(10);
    expect(left.map(({ messageId }) => messageId)).toEqual(['later']);
  });
});
