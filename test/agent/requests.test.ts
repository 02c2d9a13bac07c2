// Requests and their replies: each reaches who asked, in time or not at all, however many ask at once and however many replicas there are.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Envelope, NoReplyError } from '../../agent/agent.ts';
import { cardOf, newTenant, type TestTenant, until } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';
import { Agents, type Running } from './running.ts';

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
    // Its message waits for the next one, however often it was shown to this one on its way out.
    expect(await deadReasons()).toEqual([]);
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

  test('of four replicas of one agent reach the one that asked, and no handler of another', async () => {
    await agents.start('twice', { double });
    const strays: unknown[] = [];
    const first = await agents.make('replica');
    const replicas = [first];
    for (let more = 0; more < 3; more++) replicas.push(await agents.make('replica', {}, first.environment));
    await Promise.all(replicas.map(({ agent }) => agent.on('doubled', ({ payload }) => void strays.push(payload)).start()));
    const asks = replicas.flatMap(({ agent }, replica) =>
      Array.from({ length: 10 }, async (_, at) => {
        const payload = replica * 100 + at;
        const reply = await agent.request({ to: 'twice', messageType: 'double', payload }, { timeoutMs: 20_000 });
        return Number(reply.payload) - payload * 2;
      }),
    );
    const answers = await Promise.allSettled(asks);
    const problems = replicas.flatMap((replica) => replica.problems);
    expect({ problems, dead: await deadReasons() }).toEqual({ problems: [], dead: [] });
    expect(answers).toEqual(Array.from({ length: 40 }, () => ({ status: 'fulfilled', value: 0 })));
    expect(strays).toEqual([]);
  });

  test('are not lost while replicas are replaced, each new one before an old one goes', async () => {
    const first = await agents.make('rolling');
    const environment = first.environment;
    const start = async (running: Running) => {
      await running.agent.on('double', double).start();
      return running;
    };
    let old = [await start(first), await start(await agents.make('rolling', {}, environment))];
    const { agent: asker } = await agents.start('steady');
    let rolling = true;
    const answers: number[] = [];
    const asking = (async () => {
      for (let at = 0; rolling; at++) {
        const reply = await asker.request({ to: 'rolling', messageType: 'double', payload: at }, { timeoutMs: 20_000 });
        answers.push(Number(reply.payload));
      }
    })();
    for (let round = 0; round < 2; round++) {
      const fresh: Running[] = [];
      for (const { agent } of old) {
        fresh.push(await start(await agents.make('rolling', {}, environment)));
        await agent.stop();
      }
      old = fresh;
    }
    rolling = false;
    await asking;
    expect(answers.length).toBeGreaterThan(4);
    expect(answers).toEqual(answers.map((_, at) => at * 2));
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
    // The one that registered last takes the registration with it.
    await second.agent.stop();
    await until('it is there again', async () => (await owner.ask('GET', '/api/registry/agents/pair')).status === 200, 20_000);
    // Registered is a little sooner than open: until then a send is answered 503, and the SDK sends again.
    await first.agent.send({ to: 'pair', messageType: 'note', payload: 'still here' });
    await until('it is handled', async () => handled.length === 1, 20_000);
  });

  test('leave the registration to the one that registered last', async () => {
    const first = await agents.make('heir');
    const second = await agents.make('heir', {}, first.environment);
    for (const { agent } of [first, second]) await agent.start();
    const seen = async () => (await owner.ask('GET', '/api/registry/agents/heir')).status;
    await first.agent.stop();
    expect(await seen()).toBe(200);
    await second.agent.stop();
    expect(await seen()).toBe(404);
  });
});
