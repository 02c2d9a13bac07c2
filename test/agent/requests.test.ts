// Requests and their replies: each reaches who asked, in time or not at all, however many ask at once and however many replicas there are.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Envelope, NoReplyError } from '../../agent/agent.ts';
import { cardOf, newTenant, type TestTenant, until } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';
import { Agents } from './running.ts';

const local = inject('local');
let tenant: TestTenant;
let owner: Asker;
let agents: Agents;
let root: ServiceBusClient;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  agents = new Agents(tenant, owner);
  root = new ServiceBusClient(local.serviceBus.connectionString);
});
afterEach(() => agents.stopAll());
afterAll(() => root.close());

const double = async (envelope: Envelope, agent: { reply(to: Envelope, type: string, payload: number): Promise<string> }) => {
  await agent.reply(envelope, 'doubled', Number(envelope.payload) * 2);
};

async function deadReasons(): Promise<(string | undefined)[]> {
  const receiver = root.createReceiver(`${tenant.id}-dlq`);
  const letters = await receiver.peekMessages(100);
  await receiver.close();
  return letters.map(({ deadLetterReason }) => deadLetterReason);
}

describe('a request', () => {
  test('gets its reply, which is an envelope like any other', async () => {
    const seen: Envelope[] = [];
    await agents.start('doubler', {
      double: async (envelope, agent) => {
        seen.push(envelope);
        await double(envelope, agent);
      },
    });
    const { agent, problems } = await agents.start('asker');
    expect((await agent.discoverPeers()).map(({ agentId }) => agentId)).toEqual(['doubler']);
    const reply = await agent.request({ to: { skill: 'doubler' }, messageType: 'double', payload: 21, causationId: 'what-made-me-ask' });
    expect(reply).toMatchObject({ agentId: 'doubler', to: 'asker', messageType: 'doubled', payload: 42, tenantId: tenant.id });
    expect(seen).toMatchObject([{ agentId: 'asker', correlationId: reply.correlationId, causationId: 'what-made-me-ask' }]);
    expect(reply.causationId).toBe(seen[0]?.messageId);
    expect(problems).toEqual([]);
  });

  test('to nobody, says so; to somebody silent, ends in time', async () => {
    await owner.post('/api/registry/agents/silent/register', { card: cardOf('silent') });
    const { agent } = await agents.start('impatient');
    await expect(agent.request({ to: 'nobody', messageType: 'double', payload: 1 })).rejects.toMatchObject({ code: 'agent_not_found' });
    const none = agent.request({ to: 'silent', messageType: 'double', payload: 1 }, { timeoutMs: 200 });
    await expect(none).rejects.toBeInstanceOf(NoReplyError);
  });

  test('whose reply comes late, has that reply taken off the queue and told of', async () => {
    const release = Promise.withResolvers<void>();
    await agents.start('slow', {
      double: async (envelope, agent) => {
        await release.promise;
        await double(envelope, agent);
      },
    });
    const { agent, problems } = await agents.start('hasty');
    const none = agent.request({ to: 'slow', messageType: 'double', payload: 1 }, { timeoutMs: 200 });
    await expect(none).rejects.toBeInstanceOf(NoReplyError);
    release.resolve();
    await until('the late reply is told of', async () => problems.includes('a reply came too late: doubled'));
    expect(await deadReasons()).toEqual([]);
  });

  test('ends when the agent stops, and so does the handler that waits for it', async () => {
    await owner.post('/api/registry/agents/silent/register', { card: cardOf('silent') });
    let asked = 0;
    const { agent } = await agents.start('leaver', {
      ask: async (_, self) => {
        asked++;
        await self.request({ to: 'silent', messageType: 'double', payload: 1 });
      },
    });
    await owner.post('/api/messages', { to: 'leaver', from: 'silent', messageType: 'ask', payload: null });
    await until('it asks', async () => asked === 1);
    const before = Date.now();
    await agent.stop();
    expect(Date.now() - before).toBeLessThan(10_000);
  });
});

describe('many requests', () => {
  test('from handlers that all wait at once, all get their replies', async () => {
    const count = 40;
    const asking = Promise.withResolvers<void>();
    const answers: unknown[] = [];
    let waiting = 0;
    await agents.start('oracle', {
      double: async (envelope, agent) => {
        // Nobody is answered before as many wait as an agent is shown messages at once: their replies must come in all the same.
        if (++waiting === 16) asking.resolve();
        await asking.promise;
        await double(envelope, agent);
      },
    });
    const { problems } = await agents.start('crowd', {
      ask: async ({ payload }, agent) => {
        const reply = await agent.request({ to: 'oracle', messageType: 'double', payload });
        answers.push(reply.payload);
      },
    });
    await Promise.all(
      Array.from({ length: count }, (_, at) =>
        owner.post('/api/messages', { to: 'crowd', from: 'oracle', messageType: 'ask', payload: at }),
      ),
    );
    await until('all are answered', async () => answers.length === count, 20_000);
    expect(answers.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, at) => at * 2));
    expect(problems).toEqual([]);
  });

  test('of two replicas of one agent reach the one that asked', async () => {
    await agents.start('twice', { double });
    const first = await agents.make('replica');
    const second = await agents.make('replica', {}, first.environment);
    await Promise.all([first.agent.start(), second.agent.start()]);
    const asks = [first, second].flatMap(({ agent }, replica) =>
      Array.from({ length: 10 }, async (_, at) => {
        const payload = replica * 100 + at;
        const reply = await agent.request({ to: 'twice', messageType: 'double', payload });
        return Number(reply.payload) - payload * 2;
      }),
    );
    expect(await Promise.all(asks)).toEqual(Array.from({ length: 20 }, () => 0));
    expect(await deadReasons()).toEqual([]);
  });
});

describe('two replicas', () => {
  test('survive each other’s end: the one that stays is registered again', async () => {
    const handled: unknown[] = [];
    const note = ({ payload }: Envelope) => void handled.push(payload);
    // The queue may be closed meanwhile, and is opened again with the registration.
    const first = await agents.make('pair', { ttlSeconds: 10 });
    const second = await agents.make('pair', { ttlSeconds: 10 }, first.environment);
    for (const { agent } of [first, second]) await agent.on('note', note).start();
    await first.agent.stop();
    await until('it is there again', async () => (await owner.ask('GET', '/api/registry/agents/pair')).status === 200, 20_000);
    await owner.post('/api/messages', { to: 'pair', from: 'pair', messageType: 'note', payload: 'still here' });
    await until('it is handled', async () => handled.length === 1, 20_000);
  });
});
