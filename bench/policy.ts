// What a policy decision costs in a tenant of 100 policies, with the principal and the resource passed as entities: the product's, beside the bare
// engine on all of that tenant's policies, parsed before. And the same question again, which memory answers.
import { loadCedar } from '../shared/policy/cedar.ts';
import { PolicyEngine } from '../shared/policy/decide.ts';
import { requestOf } from '../shared/policy/evaluate.ts';
import type { Policy } from '../shared/policy/policies.ts';
import { type PolicyQuestion, type Principal, toolResource } from '../shared/policy/question.ts';
import { actionEntry, actionNames } from '../shared/policy/schema.ts';
import { TenantId } from '../shared/scope/ids.ts';
import { TenantScope } from '../shared/scope/maker.ts';
import type { Stored } from '../shared/storage/documents.ts';
import type { Figure } from './figure.ts';

const [policies, warmUp, rounds] = [100, 500, 3_000];
const [goalMs, cachedGoalUs] = [0.3, 10];

export async function bench(): Promise<Figure[]> {
  return [...(await decisions('spread over the actions', spread)), ...(await decisions('all of one action', ofOneAction))];
}

/** Of `policies`, the text at a place. */
type Writer = (at: number) => string;

const effectOf = (at: number) => (at % 5 === 0 ? 'forbid' : 'permit');

/** Each action has its share; conditions such as people write. */
const spread: Writer = (at) => {
  const action = actionNames[at % actionNames.length] ?? 'tool:invoke';
  const [type = 'Tool'] = actionEntry(action).resources;
  const id = type === 'Tool' ? `notion.tool${at}` : `name-${at}`;
  return `${effectOf(at)}(principal in Role::"role-${at}", action == Action::"${action}", resource == ${type}::"${id}") when { context has ip };`;
};

const ofOneAction: Writer = (at) =>
  `${effectOf(at)}(principal in Role::"role-${at}", action == Action::"tool:invoke", resource == Tool::"notion.tool${at}") when { context has ip };`;

async function decisions(title: string, write: Writer): Promise<Figure[]> {
  const cedar = await loadCedar();
  const scope = new TenantScope(TenantId.parse('acme'), 'assumed');
  const texts = Array.from({ length: policies }, (_, at) => write(at));
  const stored = texts.map((text, at): Stored<Policy> => {
    const body = { text, statements: 1, updatedAt: '2026-01-01T00:00:00.000Z', updatedBy: 'bench' };
    return { name: `policy-${at}`, body, etag: String(at) };
  });
  const engine = new PolicyEngine({ inForce: async () => stored });
  const principal: Principal = { type: 'Agent', id: 'alpha', role: 'agent', groups: ['eu'] };
  const ask = (at: number): PolicyQuestion => ({
    action: 'tool:invoke',
    resource: toolResource(`notion.other${at}`),
    context: { ip: '10.0.0.1' },
  });

  cedar.preparsePolicySet('bench', { staticPolicies: Object.fromEntries(texts.map((text, at) => [`p${at}`, text])) });
  const bare = (at: number) => cedar.statefulIsAuthorized({ ...requestOf(principal, ask(at)), preparsedPolicySetId: 'bench' });
  const passed = requestOf(principal, ask(0)).entities.length;
  if (passed !== 2) throw new Error(`${passed} entities are passed`);

  // Every question is a new one, so none is answered from memory; the two take turns.
  let at = 0;
  const [value, floor] = await medians(
    () => engine.decide(scope, principal, ask(at++)),
    async () => bare(at++),
  );
  const [cached, read] = await medians(
    () => engine.decide(scope, principal, ask(0)),
    async () => stored,
  );
  return [
    figure(`policy/uncached, ${title}`, value / 1_000, floor / 1_000, 'ms (p50)', goalMs),
    figure(`policy/cached, ${title}`, cached, read, 'µs (p50)', cachedGoalUs),
  ];
}

function figure(name: string, value: number, floor: number, unit: string, goal: number): Figure {
  return { name, value, unit, floor, ratio: value / floor, goal, holds: value <= goal };
}

/** Of each in microseconds, in turns. */
async function medians(...works: (() => Promise<unknown>)[]): Promise<[number, number]> {
  const times = works.map((): number[] => []);
  for (let round = 0; round < warmUp + rounds; round++) {
    for (const [which, work] of works.entries()) {
      const start = performance.now();
      await work();
      if (round >= warmUp) times[which]?.push((performance.now() - start) * 1_000);
    }
  }
  const [one = Number.NaN, other = Number.NaN] = times.map((each) => each.toSorted((a, b) => a - b)[rounds >> 1]);
  return [one, other];
}
