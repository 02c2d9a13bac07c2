// What is sent to `orchestrator`, by the services of a host: the three messages the platform understands, and the way of all others.
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { type Envelope, verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import { sign } from '../../../shared/messaging/signature.ts';
import { AgentId } from '../../../shared/scope/ids.ts';
import type { TenantScope } from '../../../shared/scope/scope.ts';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { trailOf } from '../trail.ts';
import { scopeOf, servicesBeside } from './beside.ts';
import { Endpoint, registerPush } from './endpoint.ts';
import { openMailbox, take } from './mailbox.ts';

const local = inject('local');
const services = servicesBeside(local);
let tenant: TestTenant;
let owner: Asker;
let scope: TenantScope;

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(local.api, tenant.key);
  scope = await scopeOf(services, tenant.key);
  await openMailbox(owner, tenant.id, 'worker');
});
afterEach(() => void vi.useRealTimers());
afterAll(() => services.close());

async function message(
  messageType: string,
  payload: unknown,
  more: Partial<Envelope> = {},
  of: { id: string; scope: TenantScope } = { id: tenant.id, scope },
) {
  const key = await services.signingKeys.of(of.scope, 'orchestrator');
  if (!key) throw new Error('the tenant is made');
  const unsigned = {
    messageId: crypto.randomUUID(),
    tenantId: of.id,
    agentId: 'worker',
    to: 'orchestrator',
    messageType,
    // What is sent wrong on purpose is JSON all the same.
    payload: payload as Envelope['payload'],
    timestamp: new Date().toISOString(),
    ...more,
  };
  return { ...unsigned, signature: sign(unsigned, key) };
}

const handle = (envelope: Envelope, by = scope) => services.messageHandling.handle(by, envelope, { queue: 'orchestrator', attempt: 1 });
const done = { kind: 'complete' };

describe('agent.heartbeat', () => {
  const leaseOf = async (agentId: string) => (await services.registry.find(scope, AgentId.parse(agentId)))?.agent.leaseUntil ?? '';

  test('renews the lease of its sender, and revives one that has ended', async () => {
    await registerPush(owner, tenant.id, 'beating', { endpoint: 'https://agents.example/', ttlSeconds: 10 });
    const before = await leaseOf('beating');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 });
    expect(await services.registry.reach(scope, AgentId.parse('beating'))).toMatchObject({ isRunning: false });
    const beat = await message('agent.heartbeat', { load: 0.5, metrics: { queued: 3 } }, { agentId: 'beating' });
    expect(await handle(beat)).toEqual(done);
    expect(await services.registry.reach(scope, AgentId.parse('beating'))).toMatchObject({ isRunning: true });
    expect(Date.parse(await leaseOf('beating'))).toBeGreaterThan(Date.parse(before));
  });

  test('that was under way for longer than a lease renews nothing', async () => {
    await registerPush(owner, tenant.id, 'late', { endpoint: 'https://agents.example/', ttlSeconds: 10 });
    const timestamp = new Date().toISOString();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 });
    expect(await handle(await message('agent.heartbeat', {}, { agentId: 'late', timestamp }))).toEqual(done);
    expect(await services.registry.reach(scope, AgentId.parse('late'))).toMatchObject({ isRunning: false });
  });

  test('of an agent that is not registered comes to nothing, and registers nobody', async () => {
    expect(await handle(await message('agent.heartbeat', null, { agentId: 'nobody' }))).toEqual(done);
    expect(await services.registry.find(scope, AgentId.parse('nobody'))).toBeUndefined();
  });
});

describe('usage.reported', () => {
  const report = (eventId: string) => ({ eventId, meter: 'aiTokens', amount: 1_200, model: 'small', taskId: 't-1' });
  const told = async () => (await trailOf(owner, tenant.id, '&action=usage.reported')).map((event) => event.new?.['eventId']);

  test('is an event with its meter', async () => {
    const reported = await message('usage.reported', report('e-1'));
    expect(await handle(reported)).toEqual(done);
    const [event] = await trailOf(owner, tenant.id, '&action=usage.reported');
    expect(event).toMatchObject({
      actor: { type: 'agent', id: 'worker', method: 'internal' },
      entity: { type: 'agent', id: 'worker' },
      new: { eventId: 'e-1', messageId: reported.messageId, model: 'small', taskId: 't-1' },
      meters: { aiTokens: 1_200 },
      requestId: reported.messageId,
    });
  });

  test('counts once, however often and in how many messages it comes, for each agent that reports it', async () => {
    const once = await message('usage.reported', [report('twice'), report('other')]);
    expect(await Promise.all([handle(once), handle(await message('usage.reported', report('twice')))])).toEqual([done, done]);
    for (let count = 0; count < 3; count++) expect(await handle(once)).toEqual(done);
    expect((await told()).filter((id) => id === 'twice' || id === 'other').sort()).toEqual(['other', 'twice']);
    expect(await handle(await message('usage.reported', report('twice'), { agentId: 'another' }))).toEqual(done);
    expect((await told()).filter((id) => id === 'twice')).toHaveLength(2);
  });
});

test('task.progress is an event', async () => {
  for (const progress of [0.25, 'reading the runbook']) {
    const sent = await message('task.progress', { taskId: `task-${progress}`, progress });
    // It comes again when it was not settled.
    for (let count = 0; count < 2; count++) expect(await handle(sent)).toEqual(done);
    expect(await trailOf(owner, tenant.id, `&entity=task:${encodeURIComponent(`task-${progress}`)}`)).toMatchObject([
      {
        action: 'task.progressed',
        actor: { type: 'agent', id: 'worker' },
        new: { agentId: 'worker', messageId: sent.messageId, progress },
      },
    ]);
  }
});

test.each([
  ['agent.heartbeat', { load: -1 }],
  ['agent.heartbeat', { load: 'high' }],
  ['agent.heartbeat', { agentId: 'reader' }],
  ['agent.heartbeat', { metrics: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`m${at}`, 1])) }],
  ['agent.heartbeat', 'alive'],
  ['usage.reported', {}],
  ['usage.reported', []],
  ['usage.reported', { eventId: 'e/../x', meter: 'aiTokens', amount: 1 }],
  ['usage.reported', { eventId: 'e', meter: 'aiTokens', amount: -1 }],
  ['usage.reported', { eventId: 'e', meter: 'toolCalls', amount: 1 }],
  ['usage.reported', Array(2).fill({ eventId: 'same', meter: 'compute', amount: 1 })],
  ['usage.reported', Array.from({ length: 101 }, (_, at) => ({ eventId: `e${at}`, meter: 'compute', amount: 1 }))],
  ['task.progress', { taskId: 't' }],
  ['task.progress', { taskId: 't', progress: 2 }],
  ['task.progress', { taskId: 't', progress: 0.5, tenantId: 'another' }],
])('%s with %j is a dead letter that says what is wrong, and nothing else', async (messageType, payload) => {
  const sent = await message(messageType, payload);
  const verdict = await handle(sent);
  expect(verdict).toEqual({
    kind: 'dead-letter',
    reason: 'handler_failed',
    description: expect.stringMatching(`not a payload of ${messageType}: /`),
  });
  const events = (await trailOf(owner, tenant.id)).filter(({ requestId }) => requestId === sent.messageId);
  expect(events.map(({ action, code }) => [action, code])).toEqual([['message.dead_lettered', 'handler_failed']]);
});

describe('any other message', () => {
  test('without an orchestrator agent is a dead letter', async () => {
    const timestamp = new Date(Date.now() - 2_000).toISOString();
    const sent = await message('plan.wanted', { for: 'tomorrow' }, { timestamp });
    expect(await handle(sent)).toMatchObject({ kind: 'dead-letter', reason: 'no_handler' });
    expect(await trailOf(owner, tenant.id, `&entity=message:${sent.messageId}`)).toMatchObject([
      { action: 'message.dead_lettered', code: 'no_handler' },
    ]);
  });

  test('waits a moment for one that was registered elsewhere just now', async () => {
    const verdict = await handle(await message('plan.wanted', null));
    expect(verdict).toMatchObject({ kind: 'retry', counts: false });
    expect(verdict.kind === 'retry' && verdict.afterMs).toBeLessThanOrEqual(1_500);
  });

  test('goes to the orchestrator agent, signed for it: to its endpoint, to its queue, of several to the first that runs', async () => {
    await using endpoint = await Endpoint.open();
    const other = await newTenant(local);
    const theirs = { id: other.id, scope: await scopeOf(services, other.key) };
    const theirOwner = new Asker(local.api, other.key);
    const metadata = { orchestrator: true };
    await openMailbox(theirOwner, other.id, 'bystander');
    const pushed = await registerPush(theirOwner, other.id, 'planner', { endpoint: `${endpoint.base}/plan`, metadata, ttlSeconds: 10 });
    const chosen = async () => (await services.registry.orchestrator(theirs.scope))?.agentId;
    await until('it is known here', async () => (await chosen()) === 'planner');
    const sent = await message('plan.wanted', { for: 'tomorrow' }, { correlationId: 'case 7', causationId: 'c' }, theirs);
    expect(await handle(sent, theirs.scope)).toEqual(done);
    const { signature: _, ...unsigned } = { ...sent, to: 'planner' };
    const [arrived] = endpoint.at('/plan');
    expect(arrived?.body).toEqual({ ...unsigned, signature: expect.any(String) });
    expect(verifyEnvelope(arrived?.body, { tenantId: other.id, recipient: 'planner', keys: [pushed], now: Date.now() })).toHaveProperty(
      'envelope',
    );

    // Another one, that pulls, behind it by id.
    const mailbox = await openMailbox(theirOwner, other.id, 'zealous');
    await mailbox.asker.post('/api/registry/agents/zealous/register', {
      card: cardOf('zealous'),
      metadata,
      ttlSeconds: 600,
    });
    expect(await handle(await message('plan.wanted', 2, {}, theirs), theirs.scope)).toEqual(done);
    expect(endpoint.at('/plan')).toHaveLength(2);

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11_000 });
    await until('the first has ended', async () => (await chosen()) === 'zealous');
    const late = await message('plan.wanted', 3, {}, theirs);
    expect(await handle(late, theirs.scope)).toEqual(done);
    vi.useRealTimers();
    expect(endpoint.at('/plan')).toHaveLength(2);
    const [taken] = await take(await mailbox.token(), 1);
    expect(taken?.body).toMatchObject({ messageId: late.messageId, to: 'zealous', agentId: 'worker', payload: 3 });
    expect(verifyEnvelope(taken?.body, { tenantId: other.id, recipient: 'zealous', keys: [mailbox.key], now: Date.now() })).toHaveProperty(
      'envelope',
    );
  });
});
