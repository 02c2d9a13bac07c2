// Why something would be allowed or not, and what would allow it: the scopes and policies a real call meets, asked about in the same way.
import type { Scope } from '../identity/scopes.ts';
import type { TenantScope } from '../scope/scope.ts';
import { loadCedar } from './cedar.ts';
import type { PolicyEngine } from './decide.ts';
import type { Verdict } from './evaluate.ts';
import { nearPermits } from './near-permits.ts';
import { writeEntity } from './notation.ts';
import { type PolicyQuestion, type Principal, parentsOf } from './question.ts';
import { actionEntry } from './schema.ts';
import type { Standing } from './standing.ts';

export interface Explanation {
  readonly decision: 'allow' | 'deny';
  /** The check of the pipeline that decides: `identity`, `scopes` or `policy`. */
  readonly step: 'identity' | 'scopes' | 'policy';
  readonly reasons: readonly { readonly policy?: string; readonly text: string }[];
  /** What would allow it: scopes, or a permit. */
  readonly missing: readonly string[];
  /** What was decided on, in Cedar's notation. */
  readonly inputs?: Inputs;
}

export interface Inputs {
  readonly principal: string;
  readonly in: readonly string[];
  readonly scopes: readonly Scope[] | null;
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string>>;
  readonly source: string;
}

/** `standing` as a text says that the principal cannot call at all, and why. */
export async function explain(
  engine: PolicyEngine,
  scope: TenantScope,
  standing: Standing | string,
  question: PolicyQuestion,
): Promise<Explanation> {
  if (typeof standing === 'string') return { decision: 'deny', step: 'identity', reasons: [{ text: standing }], missing: [] };
  const { principal, scopes } = standing;
  const inputs = inputsOf(standing, question);
  const { scopes: wanted, resources } = actionEntry(question.action);
  const missing = scopes ? wanted.filter((each) => !scopes.has(each)) : [];
  if (missing.length > 0) {
    const text = `${writeEntity(principal)} does not hold ${missing.join(' ')}, which ${question.action} needs.`;
    return { decision: 'deny', step: 'scopes', reasons: [{ text }], missing, inputs };
  }
  const unchecked = scopes
    ? []
    : [{ text: `The scopes of ${writeEntity(principal)} are not known: ${question.action} needs ${wanted.join(' ')}.` }];
  if (!resources.includes(question.resource.type)) {
    const text = `${question.action} is never done to ${question.resource.type}: no function asks this.`;
    return { decision: 'deny', step: 'policy', reasons: [{ text }], missing: [], inputs };
  }
  const verdict = await engine.decide(scope, principal, question);
  const reasons = [...reasonsOf(verdict, question), ...unchecked, ...(await nearMisses(engine, scope, principal, question, verdict))];
  return {
    decision: verdict.decision,
    step: verdict.because === 'scopes' ? 'scopes' : 'policy',
    reasons,
    missing: verdict.because === 'unpermitted' ? [smallestPermit(principal, question)] : [],
    inputs,
  };
}

function inputsOf({ principal, scopes, source }: Standing, { action, resource, context }: PolicyQuestion): Inputs {
  return {
    principal: writeEntity(principal),
    in: parentsOf(principal).map(writeEntity),
    scopes: scopes ? [...scopes].sort() : null,
    action: writeEntity({ type: 'Action', id: action }),
    resource: writeEntity(resource),
    context: context ?? {},
    source,
  };
}

function reasonsOf({ because, policies, errors }: Verdict, { resource }: PolicyQuestion): Explanation['reasons'] {
  const asked = [resource, ...parentsOf(resource)].map(writeEntity).join(' in ');
  const texts: Readonly<Record<Verdict['because'], string>> = {
    scopes: `No policy forbids this and none names ${asked}: the scopes decide.`,
    permitted: 'permits this, and no policy forbids it.',
    forbidden: 'forbids this; no permit outweighs it.',
    unpermitted: `names ${asked}, which therefore needs a permit, and none applies.`,
    failed: 'may forbid this and could not be evaluated, which denies.',
  };
  const decided = because === 'scopes' ? [{ text: texts.scopes }] : policies.map((policy) => ({ policy, text: texts[because] }));
  const failed = errors.map(({ id, message }) => ({
    policy: id.slice(0, id.lastIndexOf('#')),
    text: `could not be evaluated: ${message}.`,
  }));
  return [...decided, ...failed];
}

async function nearMisses(
  engine: PolicyEngine,
  scope: TenantScope,
  principal: Principal,
  question: PolicyQuestion,
  { because }: Verdict,
): Promise<Explanation['reasons']> {
  if (because !== 'unpermitted') return [];
  const set = await engine.policiesOf(scope);
  if (!set) return [];
  const near = nearPermits(await loadCedar(), set, principal, question);
  return near.map(({ policy, lacks }) => ({ policy, text: `would permit this but for: ${lacks.join('; ')}.` }));
}

function smallestPermit(principal: Principal, { action, resource }: PolicyQuestion): string {
  return `permit(principal == ${writeEntity(principal)}, action == ${writeEntity({ type: 'Action', id: action })}, resource == ${writeEntity(resource)});`;
}
