// One question against one tenant's policies, and how Cedar's answer and the scopes make a decision (docs/policies.md).
import type { Cedar } from './cedar.ts';
import type { ParsedSets } from './parsed-sets.ts';
import type { PolicySet } from './policy-set.ts';
import { type PolicyQuestion, type Principal, parentsOf, type Resource } from './question.ts';

export interface Verdict {
  readonly decision: 'allow' | 'deny';
  /**
   * `scopes`: no policy forbids it and none needs to permit it. `permitted`, `forbidden`: by the policies named. `unpermitted`: a policy names the
   * resource and none permits. `failed`: a policy that may forbid it could not be evaluated.
   */
  readonly because: 'scopes' | 'permitted' | 'forbidden' | 'unpermitted' | 'failed';
  /** The names of the policies that decided. */
  readonly policies: readonly string[];
  /** Statements that could not be evaluated, by id, and why. */
  readonly errors: readonly { readonly id: string; readonly message: string }[];
}

export const byScopes: Verdict = { decision: 'allow', because: 'scopes', policies: [], errors: [] };

/** The tenant's statements for the question's action, asked in the engine. `owner` is the tenant. */
export function evaluate(
  cedar: Cedar,
  parsed: ParsedSets,
  owner: string,
  set: PolicySet,
  principal: Principal,
  question: PolicyQuestion,
): Verdict {
  const { action, resource } = question;
  const slice = set.slice(action);
  if (slice.length === 0) return verdictOf(set, resource, [], []);
  const answer = cedar.statefulIsAuthorized({
    ...requestOf(principal, question),
    preparsedPolicySetId: parsed.idOf(`${owner} ${action}`, slice),
  });
  if (answer.type === 'failure') throw new Error('the policy engine refused a question');
  const { reason, errors } = answer.response.diagnostics;
  return verdictOf(
    set,
    resource,
    reason,
    errors.map(({ policyId, error }) => ({ id: policyId, message: error.message })),
  );
}

/** A question as the engine takes it: only the entities that have something above them need to be told. */
export function requestOf(principal: Principal, { action, resource, context = {} }: PolicyQuestion) {
  const { ip, ...rest } = context;
  const isSelf = principal.type === resource.type && principal.id === resource.id;
  return {
    principal: uid(principal),
    action: { type: 'Action', id: action },
    resource: uid(resource),
    context: { ...rest, ...(ip !== undefined && { ip: { __extn: { fn: 'ip', arg: ip } } }) },
    entities: (isSelf ? [principal] : [principal, resource]).map(entityOf).filter(({ parents }) => parents.length > 0),
  };
}

function entityOf(entity: Principal | Resource) {
  return { uid: uid(entity), attrs: {}, parents: parentsOf(entity).map(uid) };
}

function uid({ type, id }: { readonly type: string; readonly id: string }) {
  return { type, id };
}

/**
 * A forbid decides, evaluated or not: what might forbid and cannot be evaluated does. Then a permit. Then, for what is named, the want of one.
 * Cedar answers with the forbids alone where there are any.
 */
function verdictOf(set: PolicySet, resource: Resource, reason: readonly string[], errors: Verdict['errors']): Verdict {
  const deciding = reason.map((id) => set.statement(id));
  const failing = errors.map(({ id }) => set.statement(id)).filter(({ effect }) => effect === 'forbid');
  const namesOf = (statements: readonly { readonly policy: string }[]) => [...new Set(statements.map(({ policy }) => policy))].sort();
  if (deciding.some(({ effect }) => effect === 'forbid'))
    return { decision: 'deny', because: 'forbidden', policies: namesOf(deciding), errors };
  if (failing.length > 0) return { decision: 'deny', because: 'failed', policies: namesOf(failing), errors };
  if (deciding.length > 0) return { decision: 'allow', because: 'permitted', policies: namesOf(deciding), errors };
  const naming = set.naming(resource);
  return naming.length > 0 ? { decision: 'deny', because: 'unpermitted', policies: namesOf(naming), errors } : { ...byScopes, errors };
}
