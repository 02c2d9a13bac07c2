// What a refused question lacks: the permits that would apply but for one or two of their conditions. Each part of a permit becomes a permit of its
// own, and the engine says which of them hold: nothing is guessed.
import type { Clause, Expr, PolicyJson } from '@cedar-policy/cedar-wasm/web';
import type { Cedar } from './cedar.ts';
import { requestOf } from './evaluate.ts';
import type { PolicySet } from './policy-set.ts';
import type { PolicyQuestion, Principal } from './question.ts';

export interface NearPermit {
  readonly policy: string;
  /** The parts that do not hold, in Cedar. */
  readonly lacks: readonly string[];
}

const maxPermits = 50;
const maxLacking = 2;
const maxTold = 5;
/** The engine reads JSON 128 levels deep and throws beyond, which it does not survive unharmed. */
const maxJsonDepth = 100;

export function nearPermits(cedar: Cedar, set: PolicySet, principal: Principal, question: PolicyQuestion): NearPermit[] {
  const permits = set
    .slice(question.action)
    .filter(({ effect }) => effect === 'permit')
    .slice(0, maxPermits)
    .map(({ policy, text }) => ({ policy, parts: partsOf(cedar, text) }))
    .filter(({ parts }) => parts.every((part) => isShallow(part, maxJsonDepth)));
  const staticPolicies = Object.fromEntries(permits.flatMap(({ parts }, at) => parts.map((part, of) => [`${at} ${of}`, part])));
  const answer = cedar.isAuthorized({ ...requestOf(principal, question), policies: { staticPolicies } });
  if (answer.type === 'failure') throw new Error('the policy engine refused a question');
  const holding = new Set(answer.response.diagnostics.reason);
  return permits
    .map(({ policy, parts }, at) => ({ policy, lacking: parts.filter((_, of) => !holding.has(`${at} ${of}`)) }))
    .filter(({ lacking }) => lacking.length > 0 && lacking.length <= maxLacking)
    .toSorted((a, b) => a.lacking.length - b.lacking.length)
    .slice(0, maxTold)
    .map(({ policy, lacking }) => ({ policy, lacks: lacking.map((part) => textOf(cedar, part)) }));
}

const any = { op: 'All' } as const;
const bare: PolicyJson = { effect: 'permit', principal: any, action: any, resource: any, conditions: [] };

/** The parts that must all hold: each end of the scope, and each condition, taken apart at its outermost `&&`. */
function partsOf(cedar: Cedar, text: string): PolicyJson[] {
  const read = cedar.policyToJson(text);
  if (read.type === 'failure') throw new Error('a stored policy has no JSON form');
  const { principal, resource, conditions } = read.json;
  return [
    ...(principal.op === 'All' ? [] : [{ ...bare, principal }]),
    ...(resource.op === 'All' ? [] : [{ ...bare, resource }]),
    ...conditions
      .flatMap((clause): Clause[] => (clause.kind === 'when' ? conjunctsOf(clause.body).map((body) => ({ kind: 'when', body })) : [clause]))
      .map((condition) => ({ ...bare, conditions: [condition] })),
  ];
}

function conjunctsOf(body: Expr): Expr[] {
  const both = '&&' in body ? body['&&'] : undefined;
  // An extension function is told apart from an operator by having a list of arguments.
  return both && !Array.isArray(both) ? [...conjunctsOf(both.left), ...conjunctsOf(both.right)] : [body];
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

function textOf(cedar: Cedar, part: PolicyJson): string {
  const written = cedar.policyToText(part);
  if (written.type === 'failure') throw new Error('a part of a policy has no text');
  const [, scope = '', condition = ''] = /^permit\((.*?)\)(?: ((?:when|unless) .*))?;$/s.exec(written.text) ?? [];
  return condition || scope.split(', ').find((each) => !['principal', 'action', 'resource'].includes(each)) || scope;
}
