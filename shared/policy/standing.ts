// Who a principal is, beyond its name: the role, groups and scopes its stored credentials give it.
import { now } from '../clock/clock.ts';
import { type ApiKey, ApiKeys } from '../identity/api-keys.ts';
import type { TenantIdentity } from '../identity/identity.ts';
import { roles, type Scope } from '../identity/scopes.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { Members, memberName } from '../tenancy/members.ts';
import { writeEntity } from './notation.ts';
import { type EntityName, type Principal, principalOf } from './question.ts';
import type { PrincipalType } from './schema.ts';

export interface Standing {
  readonly principal: Principal;
  /** Undefined where no stored record says them. */
  readonly scopes: ReadonlySet<Scope> | undefined;
  /** Where this comes from, in words. */
  readonly source: string;
}

export function standingOf(identity: TenantIdentity): Standing {
  return { principal: principalOf(identity), scopes: identity.scopes, source: 'the credential of this request' };
}

export function isSame(one: EntityName, other: EntityName): boolean {
  return one.type === other.type && one.id === other.id;
}

/** The standing of another principal of the tenant, for an action of these scopes; the text says why it has none. */
export async function findStanding(
  store: TenantStore,
  scope: TenantScope,
  named: { readonly type: PrincipalType; readonly id: string },
  wanted: readonly Scope[],
): Promise<Standing | string> {
  const partition = store.of(scope);
  if (named.type === 'Key') {
    const key = await partition.read(ApiKeys, named.id);
    if (!key || !isCurrent(key.body)) return `${writeEntity(named)} is no current key.`;
    return ofKey(key);
  }
  if (named.type === 'Agent') {
    const keys = (await partition.list(ApiKeys)).filter(({ body }) => body.agentId === named.id && isCurrent(body));
    const best = keys.find(({ body }) => wanted.every((each) => body.scopes.includes(each))) ?? keys[0];
    if (best) return ofKey(best);
  }
  if (named.type === 'User') {
    const member = await partition.read(Members, memberName(named.id));
    if (member) {
      const { role, groups } = member.body;
      return { principal: { ...named, role, groups }, scopes: new Set(roles[role]), source: 'the member of this name' };
    }
  }
  return {
    principal: { ...named, role: undefined, groups: [] },
    scopes: undefined,
    source: 'no stored record: role, groups and scopes are not known',
  };
}

function ofKey({ name, body }: Stored<ApiKey>): Standing {
  const { role, scopes, agentId } = body;
  const entity: EntityName & { type: PrincipalType } = agentId === undefined ? { type: 'Key', id: name } : { type: 'Agent', id: agentId };
  return { principal: { ...entity, role, groups: [] }, scopes: new Set(scopes), source: `the key ${name}` };
}

function isCurrent({ expiresAt }: ApiKey): boolean {
  return expiresAt === undefined || Date.parse(expiresAt) > now();
}
