// Two instances over one store, in a time that the test makes: what a search shows is always what a plain model of leases says, and never what it was
// longer than a second ago.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { iso, newId, randomName } from '../../../../shared/clock/clock.ts';
import { compose, type Services } from '../../../../shared/compose.ts';
import { parseConfig } from '../../../../shared/config/config.ts';
import { DependencyError, Problem } from '../../../../shared/errors/problem.ts';
import type { Cause } from '../../../../shared/ledger/event.ts';
import { Agents } from '../../../../shared/registry/agent.ts';
import { readCard } from '../../../../shared/registry/card/card.ts';
import { tellRevision } from '../../../../shared/registry/revision.ts';
import { AgentId, TenantId } from '../../../../shared/scope/ids.ts';
import { TenantScope } from '../../../../shared/scope/maker.ts';
import { containers } from '../../../../shared/storage/containers.ts';
import { put } from '../../../../shared/storage/documents.ts';
import { Tenants, tenantRecord } from '../../../../shared/tenancy/tenant.ts';
import { startTarget, type Target } from '../../../conformance/cosmos/target.ts';
import { cardOf } from '../../../flowgrid.ts';
import { exampleValues } from '../../config/settings.ts';
import { agentWith } from '../agents.ts';

let target: Target;
let instances: readonly [Services, Services];

beforeAll(async () => {
  target = await startTarget();
  for (const { id, partitionKey, ...rest } of Object.values(containers))
    await target.database.containers.create({
      id,
      partitionKey: { paths: [...partitionKey], ...(partitionKey.length > 1 && { kind: 'MultiHash', version: 2 }) } as never,
      ...('defaultTtl' in rest && { defaultTtl: rest.defaultTtl }),
    });
  instances = [instance(), instance()];
});
beforeEach(() => {
  // Only what says how late it is: what waits still waits for real.
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
  target.faults.set([]);
});
afterAll(async () => {
  for (const { ledger } of instances) await ledger.flush();
  await target.stop();
});

function instance(): Services {
  return compose(
    parseConfig({
      ...exampleValues,
      FLOWGRID_COSMOS_ENDPOINT: target.endpoint,
      FLOWGRID_INSECURE_COSMOS_KEY: target.key,
      FLOWGRID_COSMOS_DATABASE: target.database.id,
    }),
  );
}

const cause: Cause = { actor: { type: 'system', id: 'test', method: 'internal' }, requestId: newId() };

async function tenant(maxAgents: number): Promise<TenantScope> {
  const id = TenantId.parse(`t-${randomName(8)}`);
  const scope = new TenantScope(id, 'assumed');
  const record = {
    id,
    name: id,
    tier: 'standard' as const,
    quotas: { maxAgents },
    placement: { namespace: 'default', vault: 'default', account: 'default' },
    status: 'active' as const,
    provisioning: [],
    settings: { redirectUris: [] },
    flags: {},
    queueStatus: 'Active' as const,
    createdAt: iso(),
  };
  await instances[0].store.of(scope).commit([put(Tenants, tenantRecord, record)]);
  return scope;
}

function register({ registry }: Services, scope: TenantScope, id: string, ttlSeconds: number, skill = 'anything') {
  const card = readCard(cardOf(id, [{ id: skill }]));
  if ('errors' in card) throw new Error('the card is none');
  const endpoint = 'https://agents.example/hook';
  return registry.register(scope, cause, AgentId.parse(id), {
    card,
    signatures: [],
    delivery: 'push',
    endpoint,
    dedicatedQueue: false,
    ttlSeconds,
    metadata: {},
  });
}

const shownAt = async ({ registry }: Services, scope: TenantScope) =>
  (await registry.search(scope, {}, 'running', { limit: 200 })).items.map(({ agentId }) => String(agentId));

/** What an agent became when, and through which instance. `until` is the end of its lease; undefined once it is unregistered. */
interface Turn {
  readonly at: number;
  readonly by: number;
  readonly until: number | undefined;
}

const step = fc.record({
  what: fc.constantFrom('register', 'heartbeat', 'heartbeat', 'heartbeat', 'unregister', 'nothing'),
  id: fc.constantFrom('aa', 'bb', 'cc'),
  ttlSeconds: fc.constantFrom(10, 20, 60),
  by: fc.constantFrom(0, 1),
  passesMs: fc.oneof(fc.integer({ min: 0, max: 1_200 }), fc.integer({ min: 1_000, max: 12_000 }), fc.constantFrom(30_000, 61_000)),
  shownBy: fc.constantFrom(0, 1),
});

test('show who runs, whoever registers, beats and goes at which of them', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const scope = await tenant(50);
      const turns = new Map<string, Turn[]>();
      for (const { what, id, ttlSeconds, by, passesMs, shownBy } of steps) {
        const [services, agentId] = [instances[by] as Services, AgentId.parse(id)];
        const history = turns.get(id) ?? [{ at: Number.NEGATIVE_INFINITY, by, until: undefined }];
        turns.set(id, history);
        const turn = (until: number | undefined) => history.push({ at: Date.now(), by, until });
        if (what === 'register') {
          const registered = await register(services, scope, id, ttlSeconds);
          if (registered instanceof Problem) throw registered;
          expect(Date.parse(registered.view.lease.expiresAt)).toBe(Date.now() + ttlSeconds * 1_000);
          turn(Date.parse(registered.view.lease.expiresAt));
        } else if (what === 'heartbeat') {
          const beaten = await services.registry.heartbeat(scope, cause, agentId, {});
          const known = allowed(history, by).map(({ until }) => until);
          if (beaten instanceof Problem) expect(known).toContain(undefined);
          else if (history.at(-1)?.until !== undefined) {
            const until = Date.parse(beaten.lease.expiresAt);
            expect(until - Date.now()).toBeGreaterThan((beaten.lease.ttlSeconds * 1_000) / 2);
            // A late hearer may have prolonged the lease of the registration before this one: that helps nobody.
            if (until > (history.at(-1)?.until ?? 0) && allowed(history, by).length === 1) turn(until);
            else if (until > (history.at(-1)?.until ?? 0)) history.push({ at: Date.now(), by, until: Number.NaN });
          }
        } else if (what === 'unregister') {
          await services.registry.unregister(scope, cause, agentId);
          turn(undefined);
        }
        vi.setSystemTime(Date.now() + passesMs);
        const shown = await shownAt(instances[shownBy] as Services, scope);
        for (const [each, its] of turns) {
          const may = allowed(its, shownBy).map(({ until }) => until);
          if (may.some(Number.isNaN)) continue;
          const runs = may.map((until) => until !== undefined && until > Date.now());
          if (runs.every(Boolean)) expect(shown, `${each} runs`).toContain(each);
          if (!runs.some(Boolean)) expect(shown, `${each} does not run`).not.toContain(each);
        }
      }
    }),
    { numRuns: 10 },
  );
});

/** What this instance may know to be the last turn: its own at once, another's within a second. */
function allowed(history: readonly Turn[], instance: number): Turn[] {
  const sure = history.findLastIndex(({ at, by }) => by === instance || at <= Date.now() - 1_000);
  return history.slice(Math.max(0, sure));
}

test('never have more agents than the tenant may', async () => {
  const scope = await tenant(3);
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) => register(instances[at % 2] as Services, scope, `agent-${at}`, 60)),
  );
  expect(answers.filter((answer) => !(answer instanceof Problem))).toHaveLength(3);
  expect(answers.filter((answer) => answer instanceof Problem && answer.code === 'quota_exceeded')).toHaveLength(9);
  for (const each of instances) expect(await shownAt(each, scope)).toHaveLength(3);
});

test('give the place of who has not run for an hour to who comes, and no other', async () => {
  const [here, there] = instances;
  const scope = await tenant(2);
  await register(here, scope, 'gone', 10);
  await register(here, scope, 'stays', 10);
  const full = async () => (await register(there, scope, 'late', 60)) instanceof Problem;
  vi.setSystemTime(Date.now() + 3_600_000);
  expect(await full()).toBe(true);
  await here.registry.heartbeat(scope, cause, AgentId.parse('stays'), {});
  vi.setSystemTime(Date.now() + 11_000);
  expect(await full()).toBe(false);
  const { items } = await there.registry.search(scope, {}, 'all', { limit: 10 });
  expect(items.map(({ agentId }) => String(agentId))).toEqual(['late', 'stays']);
});

test('follow changes too many to be remembered, and what wears the index', async () => {
  const [here, there] = instances;
  const scope = await tenant(500);
  const partition = here.store.of(scope);
  const ids = Array.from({ length: 90 }, (_, at) => `agent-${at + 10}`);
  const total = async (q: string) => (await there.registry.search(scope, { q }, 'running', { limit: 5 })).total;
  for (let round = 1; round < 9; round++) {
    const agents = ids.map((id) => agentWith({ id, name: `round${round}`, leaseUntil: iso(Date.now() + 3_600_000) }));
    await partition.commit(agents.map((agent) => put(Agents, agent.agentId, agent)));
    await tellRevision(
      partition,
      agents.flatMap(({ agentId }) => (round === 4 ? [agentId, agentId, agentId] : agentId)),
    );
    vi.setSystemTime(Date.now() + 1_000);
    expect([await total(`round${round}`), await total(`round${round - 1}`)]).toEqual([90, 0]);
  }
});

test('ask the store at most about once a second, and nothing while nobody asks', async () => {
  const [here, there] = instances;
  const scope = await tenant(5);
  await register(here, scope, 'one', 600);
  await shownAt(there, scope);
  let reads = 0;
  const strike = target.faults.strike.bind(target.faults);
  target.faults.strike = (service, operation, effects) => {
    if (effects?.includes('staleRead')) reads += 1;
    return strike(service, operation, effects);
  };
  for (let count = 0; count < 500; count++) await shownAt(there, scope);
  expect(reads).toBe(0);
  for (let count = 0; count < 100; count++) {
    vi.setSystemTime(Date.now() + 100);
    await Promise.all(Array.from({ length: 10 }, () => shownAt(there, scope)));
  }
  target.faults.strike = strike;
  // Ten seconds have passed.
  expect(reads).toBeGreaterThanOrEqual(9);
  expect(reads).toBeLessThanOrEqual(14);
});

test('answer with nothing rather than with what may be wrong', async () => {
  const [here] = instances;
  const scope = await tenant(5);
  await register(here, scope, 'one', 600);
  expect(await shownAt(here, scope)).toEqual(['one']);
  target.faults.set([{ service: 'cosmos', match: '^GET .*registry', rate: 1, effect: '500' }]);
  vi.setSystemTime(Date.now() + 900);
  expect(await shownAt(here, scope)).toEqual(['one']);
  vi.setSystemTime(Date.now() + 200);
  await expect(shownAt(here, scope)).rejects.toThrow(DependencyError);
  target.faults.set([]);
  expect(await shownAt(here, scope)).toEqual(['one']);
});
