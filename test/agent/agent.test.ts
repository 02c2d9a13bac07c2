// The agent SDK against FlowGrid: it starts, takes what is verified and nothing else, and leaves in order.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { Agent, type AgentOptions, ControlPlaneError, type Envelope } from '../../agent/agent.ts';
import { deriveKey, sign } from '../../shared/messaging/signature.ts';
import { cardOf, newTenant, type TestTenant, until } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';

const local = inject('local');

let tenant: TestTenant;
let owner: Asker;
let root: ServiceBusClient;
let enduring: Running;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  await owner.post('/api/registry/agents/sender/register', { card: cardOf('Sender'), ttlSeconds: 600 });
  await owner.post(`/tenants/${tenant.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${tenant.id}` });
  // What an intruder with the keys to the whole namespace could do.
  root = new ServiceBusClient(local.serviceBus.connectionString);
  enduring = await start('enduring', undefined, { ttlSeconds: 10 });
  started.splice(0);
});
afterAll(async () => {
  await enduring.agent.stop();
  await root.close();
});

const started: Agent[] = [];
afterEach(async () => {
  for (const agent of started.splice(0)) await agent.stop();
});

const environmentOf = (agentId: string) => owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/${agentId}/environment`);

interface Running {
  readonly agent: Agent;
  readonly environment: Record<string, string>;
  readonly problems: string[];
  readonly handled: Envelope[];
}

async function start(
  agentId: string,
  handle?: (envelope: Envelope) => Promise<void> | void,
  options: Partial<AgentOptions> = {},
): Promise<Running> {
  const environment = await environmentOf(agentId);
  const problems: string[] = [];
  const handled: Envelope[] = [];
  const agent = new Agent({ card: cardOf(agentId), onProblem: (problem) => problems.push(problem), ...options }, environment);
  agent.on('note', async (envelope) => {
    await handle?.(envelope);
    handled.push(envelope);
  });
  await agent.start();
  started.push(agent);
  return { agent, environment, problems, handled };
}

const send = (to: string, payload: unknown, messageType = 'note') =>
  owner.post<{ messageId: string }>('/api/messages', { to, from: 'sender', messageType, payload });

async function smuggle(queue: string | undefined, body: unknown): Promise<void> {
  const sender = root.createSender(queue ?? '');
  await sender.sendMessages({ body });
  await sender.close();
}

/** Takes so many dead letters of the tenant: their reasons by message id, or by the text that stands for one. */
async function deadLetters(count: number): Promise<Map<unknown, string | undefined>> {
  const receiver = root.createReceiver(`${tenant.id}-dlq`);
  const reasons = new Map<unknown, string | undefined>();
  for (const end = Date.now() + 10_000; reasons.size < count && Date.now() < end; ) {
    for (const message of await receiver.receiveMessages(count, { maxWaitTimeInMs: 1_000 })) {
      await receiver.completeMessage(message);
      // Its agent notes on it what the broker may overwrite.
      expect(message.applicationProperties).toMatchObject({ FlowGridReason: message.deadLetterReason });
      expect(message.applicationProperties?.['FlowGridDeliveries']).toBeGreaterThan(0);
      reasons.set(message.body?.payload?.title ?? message.body, message.deadLetterReason);
    }
  }
  await receiver.close();
  return reasons;
}

describe('an agent that starts', () => {
  test('is registered, and gets what is sent to it', async () => {
    const { handled } = await start('reader', undefined, { ttlSeconds: 30, metadata: { of: 'test' } });
    expect(await owner.get('/api/registry/agents/reader')).toEqual(cardOf('reader'));
    const { items } = await owner.get<{ items: object[] }>('/api/registry/agents');
    expect(items).toContainEqual(
      expect.objectContaining({ agentId: 'reader', lease: expect.objectContaining({ ttlSeconds: 30 }), metadata: { of: 'test' } }),
    );
    const sent = [await send('reader', { n: 1 }), await send('reader', 'two'), await send('reader', null)];
    await until('all three are handled', async () => handled.length === 3);
    expect(handled.map(({ messageId }) => messageId).sort()).toEqual(sent.map(({ messageId }) => messageId).sort());
    expect(handled.find(({ messageId }) => messageId === sent[0]?.messageId)).toMatchObject({
      tenantId: tenant.id,
      agentId: 'sender',
      to: 'reader',
      payload: { n: 1 },
    });
  });

  test('finds its peers, writes to them and calls tools', async () => {
    const [asking, answering] = [
      await start('asking'),
      await start('answering', undefined, { card: cardOf('Answering', [{ id: 'answer' }]) }),
    ];
    const peer = await asking.agent.findAgentBySkill('answer');
    expect(peer).toMatchObject({ agentId: 'answering', status: 'running', card: { name: 'Answering' } });
    expect(await asking.agent.findAgentBySkill('no such & skill=answer')).toBeUndefined();
    const messageId = await asking.agent.send({ to: { skill: 'answer' }, messageType: 'note', payload: 1, correlationId: 'c' });
    await until('it is handled', async () => answering.handled.length === 1);
    expect(answering.handled).toMatchObject([{ messageId, agentId: 'asking', correlationId: 'c' }]);
    await expect(asking.agent.send({ to: 'nobody', messageType: 'note', payload: 1 })).rejects.toMatchObject({
      status: 404,
      code: 'agent_not_found',
    });
    expect(await asking.agent.invokeTool('notion.whoAmI', {})).toMatchObject({ bot: { workspace_name: tenant.id } });
    await expect(asking.agent.invokeTool('notion.getPage', {})).rejects.toMatchObject({ status: 400, code: 'parameters_invalid' });
  });

  test('does not start with a key that is no longer one', async () => {
    const old = await environmentOf('replaced');
    await environmentOf('replaced');
    const agent = new Agent({ card: cardOf('Replaced') }, old);
    const failure: unknown = await agent.start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ControlPlaneError);
    expect(failure).toMatchObject({ status: 401, code: 'unauthenticated' });
    problemOf(await owner.ask('GET', '/api/registry/agents/replaced'), 404, 'not_found');
  });

  test('does not start with a card that is none', async () => {
    const agent = new Agent({ card: { name: 'x' } }, await environmentOf('cardless'));
    await expect(agent.start()).rejects.toMatchObject({ status: 400, code: 'validation_failed' });
  });
});

describe('what no one signed for the agent', () => {
  test('is never handled, and lands in the dead letters of the tenant with its reason', async () => {
    const { environment, handled, problems } = await start('wary');
    const queue = environment['SERVICEBUS_DEDICATED_QUEUE'];
    const [keyId = '', key = ''] = environment['FLOWGRID_TENANT_SECRET']?.split('.') ?? [];
    const own = { keyId, key: Buffer.from(key, 'base64url') };
    await send('wary', { title: 'genuine' });
    await until('the genuine one is handled', async () => handled.length === 1);
    const [{ signature, ...genuine } = { signature: '', messageId: '', payload: {} }] = handled;

    /** Another message under the key of the agent itself: what only a thief of its environment could make. */
    const signed = (title: string, change: object) => {
      const envelope = { ...genuine, messageId: `m-${title}`, payload: { title }, ...change };
      return { ...envelope, signature: sign(envelope, own) };
    };
    const foreign = deriveKey(Buffer.alloc(32), tenant.id, 'wary', keyId);
    const long = signed('long', {});
    const cases: Record<string, [body: unknown, reason: string]> = {
      changed: [{ ...genuine, signature, payload: { title: 'changed' } }, 'signature_invalid'],
      unsigned: [{ ...genuine, payload: { title: 'unsigned' } }, 'signature_missing'],
      'by another': [
        {
          ...signed('by another', {}),
          signature: sign({ ...genuine, messageId: 'm-by another', payload: { title: 'by another' } }, foreign),
        },
        'signature_invalid',
      ],
      'under another key': [{ ...signed('under another key', {}), signature: `v1.k9.${'A'.repeat(43)}` }, 'key_unknown'],
      'signed in no form': [{ ...signed('signed in no form', {}), signature: 'none' }, 'signature_invalid'],
      'of another tenant': [signed('of another tenant', { tenantId: 'acme' }), 'tenant_mismatch'],
      'for another agent': [signed('for another agent', { to: 'sender' }), 'recipient_mismatch'],
      old: [signed('old', { timestamp: new Date(Date.now() - 25 * 3_600_000).toISOString() }), 'expired'],
      early: [signed('early', { timestamp: new Date(Date.now() + 600_000).toISOString() }), 'expired'],
      over: [signed('over', { expiresAt: new Date(Date.now() - 1_000).toISOString() }), 'expired'],
      'with more': [{ ...signed('with more', {}), admin: true }, 'envelope_invalid'],
      'with less': [{ ...signed('with less', {}), messageType: undefined }, 'envelope_invalid'],
      'no envelope': ['no envelope', 'envelope_invalid'],
      long: [{ ...long, payload: { ...long.payload, more: 'x'.repeat(251_000) } }, 'too_large'],
      genuine: [{ ...genuine, signature }, 'replayed'],
    };
    for (const [body] of Object.values(cases)) await smuggle(queue, body);
    const reasons = await deadLetters(Object.keys(cases).length);
    expect(Object.fromEntries(reasons)).toEqual(Object.fromEntries(Object.entries(cases).map(([title, [, reason]]) => [title, reason])));
    expect(handled).toHaveLength(1);
    expect(problems.sort()).toEqual(
      Object.values(cases)
        .map(([, reason]) => `a message was refused: ${reason}`)
        .sort(),
    );

    // And goes on taking what is good.
    await send('wary', { title: 'after' });
    await until('the next is handled', async () => handled.length === 2);
  });

  test('nor is what one agent got handled by another', async () => {
    const [one, two] = [await start('first'), await start('second')];
    await send('first', { title: 'between us' });
    await until('it is handled', async () => one.handled.length === 1);
    await smuggle(two.environment['SERVICEBUS_DEDICATED_QUEUE'], one.handled[0]);
    expect(Object.fromEntries(await deadLetters(1))).toEqual({ 'between us': 'recipient_mismatch' });
    expect(two.handled).toEqual([]);
  });
});

describe('a handler', () => {
  test('that fails gets the message again, and that is no replay', async () => {
    let tries = 0;
    const { handled, problems } = await start('clumsy', () => {
      if (++tries < 3) throw new Error(`try ${tries}`);
    });
    await send('clumsy', 1);
    await until('it is handled', async () => handled.length === 1);
    expect([tries, problems]).toEqual([3, ['try 1', 'try 2']]);
  });

  test('that always fails, or is not there, gives the message up to the dead letters', async () => {
    const { problems, handled } = await start('hopeless', () => {
      throw new Error('never');
    });
    await send('hopeless', { title: 'failed' });
    await send('hopeless', { title: 'unknown' }, 'of another type');
    const reasons = await deadLetters(2);
    expect(Object.fromEntries(reasons)).toEqual({ failed: 'handler_failed', unknown: 'no_handler' });
    expect(problems.sort()).toEqual(['a message was refused: no_handler', ...Array.from({ length: 10 }, () => 'never')]);
    expect(handled).toEqual([]);
  });
});

describe('an agent that stops', () => {
  test('finishes what it has, leaves the rest, and is unregistered', async () => {
    const release = Promise.withResolvers<void>();
    let begun = 0;
    const { agent, handled, environment } = await start('leaving', () => {
      begun++;
      return release.promise;
    });
    await Promise.all([send('leaving', 1), send('leaving', 2), send('leaving', 3)]);
    await until('all are begun', async () => begun === 3);
    let stopped = false;
    const stopping = agent.stop().then(() => {
      stopped = true;
    });
    started.splice(started.indexOf(agent), 1);
    // Still there while it works.
    expect((await owner.ask('GET', '/api/registry/agents/leaving')).status).toBe(200);
    expect([stopped, handled.length]).toEqual([false, 0]);
    release.resolve();
    await stopping;
    expect(handled.map(({ payload }) => payload).sort()).toEqual([1, 2, 3]);
    problemOf(await owner.ask('GET', '/api/registry/agents/leaving'), 404, 'not_found');
    problemOf(
      await owner.ask('POST', '/api/messages', { json: { to: 'leaving', from: 'sender', messageType: 'note', payload: 4 } }),
      404,
      'agent_not_found',
    );
    // Nothing of it is left on the queue.
    const receiver = root.createReceiver(environment['SERVICEBUS_DEDICATED_QUEUE'] ?? '');
    expect(await receiver.peekMessages(10)).toEqual([]);
    await receiver.close();
  });

  test('starts again, and gets what came meanwhile', async () => {
    const first = await start('returning');
    // It is registered without listening: as when it died.
    await first.agent.stop();
    started.splice(0);
    await owner.post('/api/registry/agents/returning/register', { card: cardOf('Returning') });
    await send('returning', 'meanwhile');
    const second = await start('returning');
    await until('it is handled', async () => second.handled.length === 1);
    expect(first.handled).toEqual([]);
  });
});

describe('an agent that stays', () => {
  test('renews its lease before it ends', async () => {
    const lease = async () => {
      const { items } = await owner.get<{ items: { agentId: string; lease: { expiresAt: string } }[] }>('/api/registry/agents');
      return items.find(({ agentId }) => agentId === 'enduring')?.lease.expiresAt ?? '';
    };
    const first = await lease();
    expect(first).not.toBe('');
    await until('the lease is a later one', async () => (await lease()) > first);
    expect(enduring.problems).toEqual([]);
  });
});
