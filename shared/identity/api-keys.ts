// API keys: the record kept of each, and the check of one that is presented.
import { timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import type { Problem } from '../errors/problem.ts';
import { AgentId, TenantId } from '../scope/ids.ts';
import { CandidateScope, TenantScope } from '../scope/maker.ts';
import { type Change, create, type RememberedKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-partition.ts';
import type { AuthFailures } from './auth-failures.ts';
import type { Presented, Provider } from './authenticate.ts';
import type { TenantIdentity } from './identity.ts';
import type { KeyHistory } from './key-history.ts';
import { type KeyText, makeKey, readKey } from './key-text.ts';
import { type Role, roleNames, roles, type Scope, tenantScopes } from './scopes.ts';
import { SourceThrottle } from './throttle.ts';

const ApiKey = z.strictObject({
  name: z.string(),
  sha256: z.string(),
  role: z.enum(roleNames).optional(),
  scopes: z.array(z.enum(tenantScopes)),
  agentId: AgentId.optional(),
  expiresAt: z.iso.datetime().optional(),
  createdAt: z.iso.datetime(),
  createdBy: z.string(),
  /** The key that took this one's place, which works until `expiresAt` all the same. */
  rotatedTo: z.string().optional(),
  /** It was made for the agent's environment, where there is one at a time. */
  environment: z.literal(true).optional(),
});
export type ApiKey = z.infer<typeof ApiKey>;

export const ApiKeys: RememberedKind<ApiKey> = { container: 'control', type: 'api-key', schema: ApiKey, remembered: true, proof: true };

export interface KeyOrder {
  readonly name: string;
  readonly role?: Role | undefined;
  /** All of the role's unless stated. */
  readonly scopes?: readonly Scope[];
  readonly agentId?: AgentId | undefined;
  readonly expiresAt?: string | undefined;
  readonly createdBy: string;
  readonly environment?: true | undefined;
}

/** A key that comes into force with `change`; `text` is to be shown once and kept nowhere. */
export function newApiKey(tenantId: TenantId, order: KeyOrder): { keyId: string; text: string; record: ApiKey; change: Change } {
  const { keyId, sha256, text } = makeKey(tenantId);
  const scopes = order.scopes ?? (order.role === undefined ? [] : roles[order.role]);
  const record: ApiKey = { ...order, sha256, scopes: [...scopes], createdAt: iso() };
  return { keyId, text, record, change: create(ApiKeys, keyId, record) };
}

export function isOver({ expiresAt }: ApiKey): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= now();
}

interface Services {
  readonly store: TenantStore;
  readonly history: KeyHistory;
  readonly failures: AuthFailures;
}

export class ApiKeyCheck implements Provider {
  readonly #services: Services;
  readonly #throttle = new SourceThrottle();
  /** Hashes of keys that were right here: looking such a key up again is not what a source is slowed for. */
  readonly #proven = new LRUCache<string, true>({ max: 20_000 });

  constructor(services: Services) {
    this.#services = services;
  }

  /** What is not of a key's shape, or has a wrong checksum, is no key: it costs nothing. */
  async identify(presented: Presented): Promise<TenantIdentity | Problem | undefined> {
    const key = presented.credential === undefined ? undefined : readKey(presented.credential);
    if (!key) return undefined;
    const claimed = TenantId.safeParse(key.tenantId);
    if (!claimed.success) return undefined;
    const candidate = new CandidateScope(claimed.data);
    const { store, history } = this.#services;
    const known = store.known(candidate, ApiKeys, key.keyId);
    if (known !== 'present' && !this.#proven.has(key.sha256)) {
      const slowed = this.#throttle.slowed(presented.ip);
      if (slowed) return this.#refuse(presented, 'source_slowed', key, undefined) && slowed;
    }
    const record = await store.remembered(candidate, ApiKeys, key.keyId);
    if (!record) return this.#refuseAbsent(presented, candidate, key, known === undefined);
    if (!timingSafeEqual(Buffer.from(record.sha256), Buffer.from(key.sha256))) {
      this.#throttle.failed(presented.ip);
      const refusal = this.#refuse(presented, 'secret_wrong', key, claimed.data);
      return this.#throttle.slowed(presented.ip) ?? refusal;
    }
    if (isOver(record)) return this.#refuse(presented, record.rotatedTo === undefined ? 'key_expired' : 'key_rotated', key, claimed.data);
    this.#proven.set(key.sha256, true);
    const scope = new TenantScope(claimed.data, 'identity');
    history.used(scope, key.keyId);
    return identityOf(scope, key.keyId, record);
  }

  async #refuseAbsent(presented: Presented, candidate: CandidateScope, key: KeyText, wasRead: boolean): Promise<Problem> {
    const { history } = this.#services;
    this.#proven.delete(key.sha256);
    if (wasRead) this.#throttle.failed(presented.ip);
    const end = wasRead ? await history.endOf(candidate, key.keyId) : history.rememberedEndOf(candidate, key.keyId);
    return this.#refuse(presented, end === undefined ? 'key_unknown' : `key_${end}`, key, end && candidate.tenantId);
  }

  #refuse(presented: Presented, code: string, { keyId }: KeyText, tenantId: TenantId | undefined): Problem {
    return this.#services.failures.record(presented, { code, entity: { type: 'key', id: keyId }, ...(tenantId && { tenantId }) });
  }
}

function identityOf(scope: TenantScope, keyId: string, { role, scopes, agentId }: ApiKey): TenantIdentity {
  return {
    kind: 'tenant',
    tenantId: scope.tenantId,
    scope,
    subject: keyId,
    keyId,
    method: 'api-key',
    role,
    scopes: new Set<Scope>(scopes),
    agentId,
    groups: [],
  };
}
