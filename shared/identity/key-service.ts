// Making, listing, rotating and revoking a tenant's API keys. Nobody hands out more than they hold.
import { iso, now } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import type { Cause, EventDraft } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { image } from '../ledger/redact.ts';
import type { AgentId } from '../scope/ids.ts';
import type { TenantScope } from '../scope/scope.ts';
import { type Change, remove, replace } from '../storage/documents.ts';
import type { TenantPartition } from '../storage/tenant-partition.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { type ApiKey, ApiKeys, isOver, type KeyOrder, newApiKey } from './api-keys.ts';
import type { TenantIdentity } from './identity.ts';
import type { KeyHistory } from './key-history.ts';
import { isKeyId } from './key-text.ts';
import { KeyView, type ListedKey, listedViewOf, type MadeKey, viewOf } from './key-view.ts';
import { type Role, roles, type Scope, tenantScopes } from './scopes.ts';

/** What somebody asks for. Without role and scopes it is an agent's key where it is bound to one, else a developer's. */
export interface KeyRequest {
  readonly name: string;
  readonly role?: Role | undefined;
  readonly scopes?: readonly Scope[] | undefined;
  readonly agentId?: AgentId | undefined;
  readonly expiresAt?: string | undefined;
}

const maxKeys = 1_000;
/** Ended keys that make room for a new one: they share a batch of 100 with it. */
const clearedAtOnce = 90;

interface Services {
  readonly store: TenantStore;
  readonly ledger: Ledger;
  readonly history: KeyHistory;
}

export class KeyService {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Keys in the order of their ids, those whose time is over included until they are revoked or make room. */
  async list(scope: TenantScope, limit: number, after: string | undefined): Promise<{ items: ListedKey[]; next?: string }> {
    const { store, history } = this.#services;
    const keys = await store.of(scope).list(ApiKeys, { limit: limit + 1, ...(after !== undefined && { after }) });
    const page = keys.slice(0, limit);
    const uses = await history.lastUses(
      scope,
      page.map(({ name }) => name),
    );
    const items = page.map(({ name, body }, at) => listedViewOf(name, body, uses[at]));
    const last = items.at(-1);
    return keys.length > limit && last ? { items, next: last.keyId } : { items };
  }

  async create(maker: TenantIdentity, cause: Cause, request: KeyRequest): Promise<MadeKey | Problem> {
    const agentId = request.agentId ?? maker.agentId;
    const rights = rightsOf(request, agentId);
    if (rights instanceof Problem) return rights;
    const problem = beyond(maker, { ...rights, agentId });
    if (problem) return problem;
    const expiresAt = request.expiresAt === undefined ? undefined : iso(Date.parse(request.expiresAt));
    const order: KeyOrder = { name: request.name, ...rights, agentId, expiresAt, createdBy: cause.actor.id };
    return this.#services.ledger.commit(maker.scope, cause, async (partition) => {
      const room = await makeRoom(partition);
      if (room instanceof Problem) return room;
      const made = newApiKey(maker.tenantId, order);
      const view = viewOf(made.keyId, made.record);
      return { changes: [made.change, ...room], event: event('key.created', view), result: { key: made.text, ...view } };
    });
  }

  /** A new key in the place of another, which goes on working for `graceSeconds`. It can do what the other could, and ends when that would have. */
  async rotate(maker: TenantIdentity, cause: Cause, keyId: string, graceSeconds: number): Promise<MadeKey | Problem> {
    if (!isKeyId(keyId)) return new Problem('not_found');
    const { ledger, history } = this.#services;
    const rotated = await ledger.commit(maker.scope, cause, async (partition) => {
      const former = await partition.read(ApiKeys, keyId);
      if (!former) return new Problem('not_found');
      const problem = beyond(maker, former.body);
      if (problem) return problem;
      if (former.body.rotatedTo !== undefined || isOver(former.body)) return new Problem('key_ended');
      const room = graceSeconds > 0 ? await makeRoom(partition) : [];
      if (room instanceof Problem) return room;
      const { sha256: _, createdAt: __, ...kept } = former.body;
      const made = newApiKey(maker.tenantId, { ...kept, createdBy: cause.actor.id });
      const view = viewOf(made.keyId, made.record);
      const graceEnds = iso(Math.min(now() + graceSeconds * 1_000, Date.parse(former.body.expiresAt ?? '9999-12-31T23:59:59Z')));
      const rest = { ...former.body, expiresAt: graceEnds, rotatedTo: made.keyId };
      return {
        changes: [made.change, graceSeconds > 0 ? replace(ApiKeys, former, rest) : remove(ApiKeys, keyId, former.etag), ...room],
        event: { ...event('key.rotated', view), old: { keyIds: [keyId], expiresAt: graceEnds } },
        result: { key: made.text, ...view },
      };
    });
    if (!(rotated instanceof Problem) && graceSeconds === 0) await history.ended(maker.scope, [keyId], 'rotated');
    return rotated;
  }

  /** Takes a key out of force. */
  async revoke(caller: TenantIdentity, cause: Cause, keyId: string): Promise<Problem | undefined> {
    if (!isKeyId(keyId)) return new Problem('not_found');
    const { ledger, history } = this.#services;
    const problem = await ledger.commit(caller.scope, cause, async (partition) => {
      const key = await partition.read(ApiKeys, keyId);
      if (!key) return new Problem('not_found');
      if (caller.agentId !== undefined && key.body.agentId !== caller.agentId) return new Problem('agent_mismatch');
      // An admin makes no owner and removes none.
      if (!caller.scopes.has('tenant:write') && key.body.scopes.includes('tenant:write')) return exceeded(['tenant:write']);
      // Whoever revokes another key is still there; who revokes their own may be the last.
      if (caller.keyId === keyId && !(await hasHeir(partition, keyId, key.body))) return new Problem('last_key');
      const { keyId: _, ...old } = viewOf(keyId, key.body);
      return {
        changes: [remove(ApiKeys, keyId, key.etag)],
        event: { action: 'key.revoked', entity: { type: 'key', id: keyId }, old },
        result: undefined,
      };
    });
    if (!problem) await history.ended(caller.scope, [keyId], 'revoked');
    return problem;
  }
}

/** Scopes stand in one order and once. With a role they are within it: policies take the holder for one of that role. */
function rightsOf({ role, scopes }: KeyRequest, agentId: AgentId | undefined): { role?: Role; scopes: Scope[] } | Problem {
  if (role === undefined && scopes) return { scopes: tenantScopes.filter((scope) => scopes.includes(scope)) };
  const given = role ?? (agentId === undefined ? 'developer' : 'agent');
  const ofRole: readonly Scope[] = roles[given];
  const beyondRole = scopes?.filter((scope) => !ofRole.includes(scope)) ?? [];
  if (beyondRole.length > 0)
    return new Problem('validation_failed', {
      errors: [{ pointer: '/scopes', message: `the role ${given} does not hold ${beyondRole.join(' ')}` }],
    });
  return { role: given, scopes: ofRole.filter((scope) => scopes?.includes(scope) ?? true) };
}

/** Why somebody may not hand out such a key: all it would let its holder do, or be taken for, the maker may do. */
function beyond(maker: TenantIdentity, { role, scopes, agentId }: Pick<ApiKey, 'role' | 'scopes' | 'agentId'>): Problem | undefined {
  if (maker.agentId !== undefined && agentId !== maker.agentId) return new Problem('agent_mismatch');
  const asked = new Set<Scope>([...scopes, ...(role === undefined ? [] : roles[role])]);
  const missing = [...asked].filter((scope) => !maker.scopes.has(scope));
  return missing.length === 0 ? undefined : exceeded(missing);
}

function exceeded(missing: readonly Scope[]): Problem {
  return new Problem('scope_exceeded', { detail: `You do not hold ${missing.join(' ')}.`, extensions: { missing } });
}

/** Where a tenant has all the keys it may have, those whose time is over go first. */
async function makeRoom(partition: TenantPartition): Promise<Change[] | Problem> {
  if ((await partition.count(ApiKeys)) < maxKeys) return [];
  const over = (await partition.list(ApiKeys)).filter(({ body }) => isOver(body)).slice(0, clearedAtOnce);
  if (over.length > 0) return over.map(({ name, etag }) => remove(ApiKeys, name, etag));
  return new Problem('quota_exceeded', {
    detail: `A tenant may have ${maxKeys} keys.`,
    extensions: { limit: maxKeys },
    headers: { 'Retry-After': '60' },
  });
}

/** Whether another key can make keys, and owners if this one could. One that will end is not counted: it would only put the day off. */
async function hasHeir(partition: TenantPartition, keyId: string, { scopes }: ApiKey): Promise<boolean> {
  const needed: readonly Scope[] = scopes.includes('tenant:write') ? ['keys:manage', 'tenant:write'] : ['keys:manage'];
  const others = (await partition.list(ApiKeys)).filter(({ name, body }) => name !== keyId && body.expiresAt === undefined);
  return others.some(({ body }) => needed.every((scope) => body.scopes.includes(scope)));
}

/** What events tell of a key. */
const Told = KeyView.omit({ keyId: true, createdAt: true });

function event(action: 'key.created' | 'key.rotated', { keyId, ...view }: KeyView): EventDraft {
  return { action, entity: { type: 'key', id: keyId }, new: image(Told, view) };
}
