// Queues over the administration API, by the SDK and by hand.
import { afterAll, describe, expect, test } from 'vitest';
import { administration, local, ROOT_KEY, ROOT_RULE, sign, startTarget, withKey } from './target.ts';

const target = await startTarget();
afterAll(() => target.stop());
const { admin } = target;

test('a queue is created with defaults, and read as created', async () => {
  const name = await target.queue();
  const queue = await admin.getQueue(name);
  expect(queue).toMatchObject({
    name,
    lockDuration: 'PT1M',
    maxSizeInMegabytes: 1_024,
    maxDeliveryCount: 10,
    defaultMessageTimeToLive: 'P10675199DT2H48M5.4775807S',
    deadLetteringOnMessageExpiration: false,
    enableBatchedOperations: true,
    requiresSession: false,
    requiresDuplicateDetection: false,
    enablePartitioning: false,
    status: 'Active',
    availabilityStatus: 'Available',
    authorizationRules: undefined,
    forwardDeadLetteredMessagesTo: undefined,
  });
  expect(await admin.queueExists(name)).toBe(true);
  expect(await admin.queueExists(`${name}x`)).toBe(false);
});

test('every setting makes the round trip, rules and awkward text included', async () => {
  const letters = await target.queue();
  const settings = {
    lockDuration: 'PT1M30S',
    maxSizeInMegabytes: 2_048,
    maxDeliveryCount: 3,
    defaultMessageTimeToLive: 'P14DT3H0.5S',
    deadLetteringOnMessageExpiration: true,
    enableBatchedOperations: false,
    status: 'SendDisabled' as const,
    userMetadata: `<&>"' ]]> ü &amp; &#65;`,
    authorizationRules: [
      { claimType: 'SharedAccessKey', keyName: 'listen', accessRights: ['Listen' as const], primaryKey: 'key+/=1', secondaryKey: 'key&2' },
      { claimType: 'SharedAccessKey', keyName: 'all', accessRights: ['Manage' as const, 'Send' as const, 'Listen' as const] },
    ],
  };
  const name = await target.queue({ ...settings, forwardDeadLetteredMessagesTo: letters });
  const queue = await admin.getQueue(name);
  expect(queue).toMatchObject({ ...settings, defaultMessageTimeToLive: 'P14DT3H0.5S' });
  expect(queue.forwardDeadLetteredMessagesTo).toMatch(new RegExp(`^sb://.*/${letters}$`));
  expect(queue.authorizationRules?.[1]?.primaryKey).toMatch(/^[\w+/]{43}=$/);
  const updated = await admin.updateQueue({ ...queue, maxDeliveryCount: 4, userMetadata: 'plain' });
  expect(updated).toMatchObject({ ...settings, maxDeliveryCount: 4, userMetadata: 'plain', authorizationRules: queue.authorizationRules });
  expect(await admin.getQueue(name)).toEqual(updated);
});

test('names are compared without regard to case, and are kept as given', async () => {
  const name = `${await target.queue()}.Upper_Case/part`;
  await admin.createQueue(name);
  expect((await admin.getQueue(name.toLowerCase())).name).toBe(name);
  await expect(admin.createQueue(name.toUpperCase())).rejects.toMatchObject({ code: 'MessageEntityAlreadyExistsError', statusCode: 409 });
  await admin.deleteQueue(name.toUpperCase());
  expect(await admin.queueExists(name)).toBe(false);
});

test('what is not there cannot be read, changed or deleted', async () => {
  const queue = await admin.getQueue(await target.queue());
  const missing = { code: 'MessageEntityNotFoundError' };
  await expect(admin.getQueue('missing')).rejects.toMatchObject(missing);
  await expect(admin.deleteQueue('missing')).rejects.toMatchObject({ ...missing, statusCode: 404 });
  await expect(admin.updateQueue({ ...queue, name: 'missing' })).rejects.toMatchObject({ ...missing, statusCode: 404 });
});

test('queues are listed in pages', async () => {
  const names = await Promise.all(Array.from({ length: 7 }, () => target.queue()));
  const listed: string[][] = [];
  for await (const page of admin.listQueues().byPage({ maxPageSize: 3 })) listed.push(page.map(({ name }) => name));
  expect(listed.flat()).toEqual(expect.arrayContaining(names));
  expect(new Set(listed.flat()).size).toBe(listed.flat().length);
  expect(listed.slice(0, -1).every((page) => page.length === 3)).toBe(true);
  const all: string[] = [];
  for await (const { name } of admin.listQueuesRuntimeProperties()) all.push(name);
  expect(all).toEqual(expect.arrayContaining(names));
});

test('runtime properties count and size what is there', async () => {
  const name = await target.queue();
  const before = await admin.getQueueRuntimeProperties(name);
  expect(before).toMatchObject({ totalMessageCount: 0, sizeInBytes: 0, transferMessageCount: 0, transferDeadLetterMessageCount: 0 });
  const sender = target.client().createSender(name);
  await sender.sendMessages([{ body: 'x'.repeat(1_000) }, { body: 'y' }]);
  const after = await admin.getQueueRuntimeProperties(name);
  expect(after).toMatchObject({ totalMessageCount: 2, activeMessageCount: 2, createdAt: before.createdAt, modifiedAt: before.modifiedAt });
  expect(after.sizeInBytes).toBeGreaterThan(1_000);
  expect(after.accessedAt.getTime()).toBeGreaterThanOrEqual(after.createdAt.getTime());
});

test('the namespace tells what it is', async () => {
  expect(await admin.getNamespaceProperties()).toMatchObject({
    messagingSku: local ? 'Standard' : expect.any(String),
    name: expect.any(String),
  });
});

describe.runIf(local)('refusals', () => {
  test.each([
    ['sessions', { requiresSession: true }],
    ['duplicate detection', { requiresDuplicateDetection: true }],
    ['partitioned', { enablePartitioning: true }],
    ['express', { enableExpress: true }],
    ['ForwardTo', { forwardTo: 'any' }],
    ['AutoDeleteOnIdle', { autoDeleteOnIdle: 'PT5M' }],
    ['256 KB', { maxMessageSizeInKilobytes: 1_024 }],
  ])('%s: not modelled, and says so', async (what, options) => {
    await expect(target.queue(options)).rejects.toMatchObject({ statusCode: 501, message: expect.stringContaining(what) });
  });

  test.each([
    ['a lock of six minutes', { lockDuration: 'PT6M' }],
    ['a lock of nothing', { lockDuration: 'PT0S' }],
    ['a duration that is none', { defaultMessageTimeToLive: '5 minutes' }],
    ['a size between sizes', { maxSizeInMegabytes: 1_500 }],
    ['no delivery', { maxDeliveryCount: 0 }],
    ['too much metadata', { userMetadata: 'x'.repeat(1_025) }],
    ['forwarding to nowhere', { forwardDeadLetteredMessagesTo: 'nowhere' }],
    ['thirteen rules', { authorizationRules: Array.from({ length: 13 }, (_, i) => rule(`r${i}`, 'Send')) }],
    ['two rules of one name', { authorizationRules: [rule('r', 'Send'), rule('r', 'Listen')] }],
    ['Manage alone', { authorizationRules: [rule('r', 'Manage')] }],
    ['an unknown right', { authorizationRules: [rule('r', 'Read')] }],
  ])('%s: a bad request', async (_, options) => {
    await expect(target.queue(options as Parameters<typeof target.queue>[0])).rejects.toMatchObject({ statusCode: 400 });
  });

  test.each(['-x', 'x-', 'a b', 'x'.repeat(261), 'ä', 'a//b'])('the name %j is refused', async (name) => {
    await expect(admin.createQueue(name)).rejects.toThrow();
    expect(await admin.queueExists(name)).toBe(false);
  });

  test('topics, subscriptions and rules are not modelled', async () => {
    const refused = { statusCode: 501 };
    await expect(admin.createTopic('topic')).rejects.toMatchObject(refused);
    await expect(admin.createSubscription('topic', 'subscription')).rejects.toMatchObject(refused);
    await expect(admin.listTopics().next()).rejects.toMatchObject(refused);
  });

  test('a queue cannot forward its dead letters to itself', async () => {
    const queue = await admin.getQueue(await target.queue());
    await expect(admin.updateQueue({ ...queue, forwardDeadLetteredMessagesTo: queue.name })).rejects.toMatchObject({ statusCode: 400 });
  });

  test('only the root key, whole and in time, manages the namespace', async () => {
    const name = await target.queue({ authorizationRules: [rule('manager', 'Manage', 'Send', 'Listen'), rule('sender', 'Send')] });
    const { authorizationRules: [manager, sender] = [] } = await admin.getQueue(name);
    const by = (ruleName: string, key = '') => administration(withKey(target.adminPort, ruleName, key));
    const refused = { statusCode: 401, code: 'UnauthorizedRequestError' };
    await expect(by(ROOT_RULE, 'wrong').getQueue(name)).rejects.toMatchObject(refused);
    await expect(by('nobody', ROOT_KEY).getQueue(name)).rejects.toMatchObject(refused);
    await expect(by('sender', sender?.primaryKey).getQueue(name)).rejects.toMatchObject(refused);
    await expect(by('manager', manager?.primaryKey).createQueue(`${name}-2`)).rejects.toMatchObject(refused);
    await expect(by('manager', manager?.primaryKey).getQueue(await target.queue())).rejects.toMatchObject(refused);
    await expect(by('manager', manager?.primaryKey).listQueues().next()).rejects.toMatchObject(refused);
    expect(await by('manager', manager?.secondaryKey).getQueue(name)).toMatchObject({ name });
    const elsewhere = { ...(await admin.getQueue(name)), forwardDeadLetteredMessagesTo: await target.queue() };
    await expect(by('manager', manager?.primaryKey).updateQueue(elsewhere)).rejects.toMatchObject(refused);
    expect((await admin.getQueue(name)).forwardDeadLetteredMessagesTo).toBeUndefined();
    const url = `http://127.0.0.1:${target.adminPort}/${name}?api-version=2021-05`;
    const get = async (authorization?: string) => (await fetch(url, { headers: authorization ? { authorization } : {} })).status;
    expect(await get()).toBe(401);
    expect(await get('Bearer x')).toBe(401);
    expect(await get(sign(`https://127.0.0.1/${name}`, ROOT_RULE, ROOT_KEY, Math.floor(Date.now() / 1_000) - 1))).toBe(401);
    expect(await get(sign(`https://127.0.0.1/${name}x`, ROOT_RULE, ROOT_KEY))).toBe(401);
    expect(await get(sign(`https://127.0.0.1/${name}`, ROOT_RULE, ROOT_KEY))).toBe(200);
  });

  test('bodies that are no queue description', async () => {
    const queue = '<QueueDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect">';
    const url = `http://127.0.0.1:${target.adminPort}/hand-made?api-version=2021-05`;
    const put = async (body: string) => {
      const authorization = sign(url, ROOT_RULE, ROOT_KEY);
      const answer = await fetch(url, { method: 'PUT', body, headers: { authorization } });
      return [answer.status, await answer.text()] as const;
    };
    const wrap = (content: string) =>
      `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml">${content}</content></entry>`;
    for (const body of [
      '',
      'no xml',
      '<entry>',
      '<entry></feed>',
      wrap(''),
      wrap(`${queue}<LockDuration>PT1M</QueueDescription>`),
      wrap(`${queue}<LockDuration>&bogus;</LockDuration></QueueDescription>`),
      wrap(`${queue}<LockDuration>PT1M</LockDuration><LockDuration>PT1M</LockDuration></QueueDescription>`),
      wrap(`${queue}<Invented>1</Invented></QueueDescription>`),
      `<!DOCTYPE x [<!ENTITY a "b">]>${wrap(`${queue}</QueueDescription>`)}`,
      `${'<a>'.repeat(40)}${'</a>'.repeat(40)}`,
    ]) {
      expect(await put(body), body).toEqual([400, expect.stringMatching(/^<Error><Code>400<\/Code><Detail>SubCode=40000\. /)]);
    }
    expect((await put('x'.repeat(300_000)))[0]).toBe(413);
    expect((await put(wrap(`${queue}<!-- fine --><MaxDeliveryCount>7</MaxDeliveryCount></QueueDescription>`)))[0]).toBe(201);
    expect((await admin.getQueue('hand-made')).maxDeliveryCount).toBe(7);
  });
});

function rule(keyName: string, ...accessRights: string[]) {
  return { claimType: 'SharedAccessKey', keyName, accessRights: accessRights as ('Send' | 'Listen' | 'Manage')[] };
}
