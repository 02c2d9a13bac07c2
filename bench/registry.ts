// What a search costs in a tenant of ten thousand agents while a thousand other tenants search too: the product's registry in this process, following
// a store in others, beside a plain walk over all agents that looks for one skill and nothing else. By the clock, in the quietest of several rounds.
import { iso } from '../shared/clock/clock.ts';
import { compose } from '../shared/compose.ts';
import { parseConfig } from '../shared/config/config.ts';
import { type Agent, Agents } from '../shared/registry/agent.ts';
import { readCard } from '../shared/registry/card/card.ts';
import type { Criteria } from '../shared/registry/index/search-index.ts';
import type { Registry } from '../shared/registry/registry.ts';
import { tellRevision } from '../shared/registry/revision.ts';
import { AgentId, TenantId } from '../shared/scope/ids.ts';
import { TenantScope } from '../shared/scope/maker.ts';
import { put } from '../shared/storage/documents.ts';
import type { TenantStore } from '../shared/storage/tenant-store.ts';
import { cardOf } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const [manyAgents, others, agentsOfOthers] = [10_000, 1_000, 10];
const [rounds, searches, limit, goalMs] = [5, 400, 20, 2];
/** A partition's batch. */
const atOnce = 90;

const vocabulary = Array.from({ length: 3_000 }, (_, at) => `word${((at * 7_919) % 3_001).toString(36)}`);
const wordAt = (at: number) => vocabulary[at % vocabulary.length] ?? '';

const kinds: Readonly<Record<string, (at: number) => Criteria>> = {
  'skill and tag': (at) => ({ skill: `skill-${at % 50}`, tag: `tag-${at % 7}` }),
  'capability, which all have': () => ({ capability: 'streaming' }),
  pattern: (at) => ({ pattern: `*-${at % 100}*` }),
  text: (at) => ({ q: `${wordAt(at * 31)} agent` }),
};

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ settings }) => {
    const services = compose(parseConfig(settings));
    const { store, registry } = services;
    const large = new TenantScope(TenantId.parse('large'), 'assumed');
    const small = Array.from({ length: others }, (_, at) => new TenantScope(TenantId.parse(`small-${at}`), 'assumed'));
    const agents = await fill(store, large, manyAgents);
    for (let at = 0; at < others; at += 10) await Promise.all(small.slice(at, at + 10).map((scope) => fill(store, scope, agentsOfOthers)));
    for (const scope of [large, ...small]) await registry.search(scope, {}, 'running', { limit });

    const another = (at: number) => find(registry, small[(at * 37) % others] ?? large, {});
    const floor = await percentile(async (at) => walk(agents, `skill-${at % 50}`), another);
    const figures: Figure[] = [];
    for (const [name, criteria] of Object.entries(kinds)) {
      const value = await percentile((at) => find(registry, large, criteria(at)), another);
      figures.push({
        name: `registry/search by ${name}`,
        value,
        unit: 'ms (p99)',
        floor,
        ratio: value / floor,
        goal: goalMs,
        holds: value <= goalMs,
      });
    }
    await services.close();
    return figures;
  });
}

async function fill(store: TenantStore, scope: TenantScope, count: number): Promise<Agent[]> {
  const agents = Array.from({ length: count }, (_, at) => agentAt(at));
  for (let at = 0; at < count; at += atOnce)
    await store.of(scope).commit(agents.slice(at, at + atOnce).map((agent) => put(Agents, agent.agentId, agent)));
  await tellRevision(store.of(scope), [AgentId.parse('agent-0')]);
  return agents;
}

function agentAt(at: number): Agent {
  const skills = [{ id: `skill-${at % 50}`, tags: [`tag-${at % 7}`, `of-${wordAt(at)}`] }, { id: `do_${wordAt(at * 13)}` }];
  const description = Array.from({ length: 40 }, (_, word) => wordAt(at * 41 + word * 97)).join(' ');
  const read = readCard({ ...cardOf(`Agent ${wordAt(at)} ${at}`, skills), description });
  if ('errors' in read) throw new Error('the card is none');
  return {
    agentId: AgentId.parse(`agent-${at}`),
    delivery: 'pull',
    dedicatedQueue: false,
    metadata: { at },
    cardVersion: '1.0',
    original: read.original,
    card: read.card,
    skills: skills.map(({ id }) => id),
    tags: skills.flatMap(({ tags = [] }) => tags),
    ttlSeconds: 3_600,
    leaseUntil: iso(Date.now() + 3_600_000),
    registeredAt: iso(),
  };
}

function walk(agents: readonly Agent[], skill: string): readonly Agent[] {
  return agents.filter((agent) => agent.skills.includes(skill) && Date.parse(agent.leaseUntil) > Date.now()).slice(0, limit);
}

async function find(registry: Registry, scope: TenantScope, criteria: Criteria): Promise<void> {
  const { total } = await registry.search(scope, criteria, 'running', { limit });
  if (total === 0) throw new Error('nothing was found');
}

/** The 99th percentile of what `work` takes, in milliseconds, in the quietest of the rounds; `between` runs before each. */
async function percentile(work: (at: number) => Promise<unknown>, between: (at: number) => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const times: number[] = [];
    for (let at = 0; at < searches; at++) {
      await between(at);
      const start = performance.now();
      await work(at);
      times.push(performance.now() - start);
    }
    best = Math.min(best, times.toSorted((a, b) => a - b)[Math.floor(searches * 0.99)] ?? best);
  }
  return best;
}
