// Who may do what: every way in we could think of with a token that is not for it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { local, ROOT_KEY, ROOT_RULE, sign, startTarget, type Target, until, withKey, withToken } from './target.ts';
import { detached, send, Wire } from './wire.ts';

const seconds = () => Date.now() / 1_000;
const patient = { maxWaitTimeInMs: 8_000 };

describe.runIf(local)('access', () => {
  let target: Target;
  let [queue, keys]: [string, Record<string, string>] = ['', {}];
  const wires: Wire[] = [];
  const connect = async () => {
    const wire = await Wire.connect(target.port);
    wires.push(wire);
    return wire;
  };
  const at = (path: string) => `sb://127.0.0.1:${target.port}/${path}`;
  const rule = (keyName: string, ...accessRights: ('Send' | 'Listen' | 'Manage')[]) => ({
    claimType: 'SharedAccessKey',
    keyName,
    accessRights,
  });

  beforeAll(async () => {
    target = await startTarget();
    queue = await target.queue({
      authorizationRules: [rule('send', 'Send'), rule('listen', 'Listen'), rule('all', 'Manage', 'Send', 'Listen')],
    });
    const { authorizationRules = [] } = await target.admin.getQueue(queue);
    keys = Object.fromEntries(authorizationRules.map(({ keyName, primaryKey = '' }) => [keyName, primaryKey]));
  });
  afterAll(async () => {
    await Promise.all(wires.map((wire) => wire.close()));
    await target.stop();
  });

  /** A queue with a rule of the same name under another key. */
  const twin = (name: string) => {
    const all = { ...rule('all', 'Manage', 'Send', 'Listen'), primaryKey: 'other key', secondaryKey: 'other key 2' };
    return target.admin.createQueue(name, { authorizationRules: [all] });
  };

  test('a rule of a queue does what its rights say, by either key, through the SDK', async () => {
    const name = await target.queue({ authorizationRules: [rule('send', 'Send'), rule('listen', 'Listen')] });
    const [sending, listening] = (await target.admin.getQueue(name)).authorizationRules ?? [];
    const sender = target.client(withKey(target.port, 'send', sending?.primaryKey));
    const listener = target.client(withKey(target.port, 'listen', listening?.secondaryKey));
    await sender.createSender(name).sendMessages({ body: 'through' });
    await expect(sender.createReceiver(name).receiveMessages(1, patient)).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
    await expect(sender.createReceiver(name).peekMessages(1)).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
    const later = new Date(Date.now() + 60_000);
    await expect(listener.createSender(name).scheduleMessages({ body: 1 }, later)).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
    await expect(listener.createSender(name).sendMessages({ body: 'not through' })).rejects.toThrow();
    const receiver = listener.createReceiver(name);
    expect((await receiver.peekMessages(5)).map(({ body }) => body)).toEqual(['through']);
    const [message] = await receiver.receiveMessages(1, patient);
    if (message) await receiver.deadLetterMessage(message);
    const letters = listener.createReceiver(name, { subQueueType: 'deadLetter' });
    expect((await letters.receiveMessages(1, patient)).map(({ body }) => body)).toEqual(['through']);
  });

  test('a ready-made token in a connection string is enough for its queue, and for no other', async () => {
    const client = target.client(withToken(target.port, sign(at(queue), 'listen', keys['listen'] ?? '')));
    expect(await client.createReceiver(queue).peekMessages(1)).toEqual([]);
    expect(await client.createReceiver(queue, { subQueueType: 'deadLetter' }).receiveMessages(1, { maxWaitTimeInMs: 100 })).toEqual([]);
    const other = await target.queue();
    await expect(client.createReceiver(other).peekMessages(1)).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
  });

  describe('tokens that are refused', () => {
    const listen = (resource = at(queue), expires?: number) => sign(resource, 'listen', keys['listen'] ?? '', expires);
    test.each<[string, () => string, RegExp]>([
      ['expired', () => listen(undefined, Math.floor(seconds()) - 1), /^ExpiredToken/],
      ['for another queue', () => listen(at(`${queue}x`)), /^InvalidAudience/],
      ['for a part of the name', () => listen(at(queue.slice(0, -1))), /^InvalidAudience/],
      ['for something below', () => listen(at(`${queue}/below`)), /^InvalidAudience/],
      ['for a path that leads back', () => listen(at(`${queue}/../${queue}`)), /^InvalidAudience/],
      ['with another expiry than signed', () => listen().replace(/se=\d+/, `se=${Math.ceil(seconds()) + 9_999}`), /^InvalidSignature/],
      [
        'with another resource than signed',
        () => listen(at('')).replace(/sr=[^&]*/, `sr=${encodeURIComponent(at(queue))}`),
        /^InvalidSignature/,
      ],
      ['with another rule than signed', () => listen().replace('skn=listen', 'skn=all'), /^InvalidSignature/],
      ['naming the root rule', () => sign(at(queue), ROOT_RULE, keys['all'] ?? ''), /^InvalidSignature/],
      ['signed with nothing', () => sign(at(queue), 'listen', ''), /^InvalidSignature/],
      ['of a rule that is not there', () => sign(at(queue), 'nobody', ROOT_KEY), /^InvalidSignature/],
      ['with a signature cut short', () => listen().replace(/sig=[^&]*/, 'sig=AAAA'), /^InvalidSignature/],
      ['without a signature', () => listen().replace(/&sig=[^&]*/, ''), /^MalformedToken/],
      ['without an end', () => listen().replace(/&se=\d+/, ''), /^MalformedToken/],
      ['with an end that is no number', () => listen().replace(/se=\d+/, 'se=1e99'), /^MalformedToken/],
      ['with broken encoding', () => listen().replace('sr=', 'sr=%zz'), /^MalformedToken/],
      ['empty', () => '', /^MalformedToken/],
    ])('%s', async (_, token, words) => {
      const wire = await connect();
      expect(await wire.putToken(at(queue), token())).toEqual([401, expect.stringMatching(words)]);
      await expect(wire.receiver(queue)).rejects.toThrow('amqp:unauthorized-access');
    });

    test('a token that is not a shared access signature', async () => {
      const wire = await connect();
      expect(await wire.putToken(at(queue), 'ey', 'jwt')).toEqual([501, expect.stringContaining('jwt')]);
    });
  });

  test('nothing attaches without a token', async () => {
    const wire = await connect();
    for (const address of [queue, `${queue}/$DeadLetterQueue`, `${queue}/$management`, 'missing']) {
      await expect(wire.receiver(address)).rejects.toThrow('amqp:unauthorized-access');
      await expect(wire.sender(address)).rejects.toThrow('amqp:unauthorized-access');
    }
  });

  test('a token opens neither a longer name nor a queue below its name', async () => {
    await twin(`${queue}2`);
    await twin(`${queue}/sub`);
    const wire = await connect();
    expect(await wire.putToken(at(queue), sign(at(queue), 'all', keys['all'] ?? ''))).toEqual([202, 'Accepted']);
    for (const name of [`${queue}2`, `${queue}/sub`, `${queue}/sub/$DeadLetterQueue`, `${queue}/sub/$management`]) {
      await expect(wire.receiver(name)).rejects.toThrow('amqp:unauthorized-access');
      expect((await wire.putToken(at(name), sign(at(queue), 'all', keys['all'] ?? '')))[0]).toBe(401);
      expect((await wire.putToken(at(name), sign(at(''), 'all', keys['all'] ?? '')))[0]).toBe(401);
      await expect(wire.receiver(name)).rejects.toThrow('amqp:unauthorized-access');
    }
    await wire.receiver(`${queue}/$DeadLetterQueue`);
    await wire.receiver(`/${queue.toUpperCase()}`);
    await wire.receiver(`amqps://any.host/${queue}`);
  });

  test('a token signed with the root key opens what its resource covers', async () => {
    await twin(`${queue}.a/b`);
    const wire = await connect();
    const root = (resource: string) => sign(resource, ROOT_RULE, ROOT_KEY);
    expect((await wire.putToken(at(queue), root(at(`${queue}.a`))))[0]).toBe(401);
    expect((await wire.putToken(at(`${queue}.a/b`), root(at(`${queue}.a`))))[0]).toBe(202);
    await wire.receiver(`${queue}.a/b`);
    expect((await wire.putToken(at(''), root('sb://another.host/')))[0]).toBe(202);
    await wire.receiver(queue);
    await wire.sender(queue);
  });

  test('only who may look is told that an entity does not exist', async () => {
    const wire = await connect();
    expect(await wire.putToken(at('missing'), sign(at('missing'), ROOT_RULE, ROOT_KEY))).toEqual([
      404,
      expect.stringMatching(/could not be found/),
    ]);
    expect((await wire.putToken(at('missing'), sign(at('missing'), 'listen', keys['listen'] ?? '')))[0]).toBe(401);
    const client = target.client();
    await expect(client.createReceiver('missing').receiveMessages(1)).rejects.toMatchObject({ code: 'MessagingEntityNotFound' });
  });

  test('a link goes when its token ends, unless a new one came', async () => {
    const name = await target.queue({ authorizationRules: [{ ...rule('r', 'Listen'), primaryKey: 'p', secondaryKey: 's' }] });
    const token = (key: string, life: number) => sign(at(name), 'r', key, Math.ceil(seconds()) + life);
    const [ending, renewed] = [await connect(), await connect()];
    const soon = token('p', 1);
    await ending.putToken(at(name), soon);
    await renewed.putToken(at(name), soon);
    const [first, second] = [await ending.receiver(name), await renewed.receiver(name)];
    await renewed.putToken(at(name), token('s', 60));
    expect(await detached(first)).toBe('amqp:unauthorized-access');
    expect(seconds()).toBeGreaterThanOrEqual(Number(/se=(\d+)/.exec(soon)?.[1]));
    await expect(ending.receiver(name)).rejects.toThrow('amqp:unauthorized-access');
    await renewed.receiver(name);
    expect(second.is_open()).toBe(true);
  });

  test('a key that is changed and a rule that is taken away close the links they opened, and those only', async () => {
    const stays = { ...rule('stays', 'Listen', 'Send'), primaryKey: 'stays', secondaryKey: 'stays 2' };
    const goes = { ...rule('goes', 'Send'), primaryKey: 'goes', secondaryKey: 'goes 2' };
    const name = await target.queue({ authorizationRules: [stays, goes] });
    const set = async (authorizationRules: (typeof stays)[]) =>
      target.admin.updateQueue({ ...(await target.admin.getQueue(name)), authorizationRules });
    const by = async (ruleName: string, key: string) => {
      const wire = await connect();
      expect((await wire.putToken(at(name), sign(at(name), ruleName, key)))[0]).toBe(202);
      return wire.sender(name);
    };
    const [kept, changed, second] = [await by('stays', 'stays'), await by('goes', 'goes'), await by('goes', 'goes 2')];
    await set([stays, { ...goes, primaryKey: 'new' }]);
    expect(await detached(changed)).toBe('amqp:unauthorized-access');
    expect(await send(second, { body: 1 })).toBe('accepted');
    await set([stays, { ...goes, primaryKey: 'new', accessRights: ['Listen'] }]);
    expect(await detached(second)).toBe('amqp:unauthorized-access');
    await set([stays]);
    expect(await send(kept, { body: 2 })).toBe('accepted');
    expect((await target.admin.getQueueRuntimeProperties(name)).activeMessageCount).toBe(2);
  });

  test('an open management link does not outlive its token', async () => {
    const name = await target.queue({ authorizationRules: [{ ...rule('r', 'Listen'), primaryKey: 'p', secondaryKey: 's' }] });
    const client = target.client(withKey(target.port, 'r', 'p'));
    const receiver = client.createReceiver(name);
    expect(await receiver.peekMessages(1)).toEqual([]);
    await target.admin.updateQueue({ ...(await target.admin.getQueue(name)), authorizationRules: [] });
    await expect(receiver.peekMessages(1)).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
  });

  test('a subscription with a token of its own is told when it ends', async () => {
    const client = target.client(withToken(target.port, sign(at(queue), 'listen', keys['listen'] ?? '', Math.ceil(seconds()) + 1)));
    const receiver = client.createReceiver(queue);
    const codes: unknown[] = [];
    receiver.subscribe({
      processMessage: async () => {},
      processError: async ({ error }) => void codes.push('code' in error && error.code),
    });
    await until(() => codes.includes('UnauthorizedAccess'), 'the subscription is told');
    await receiver.close();
  });
});
