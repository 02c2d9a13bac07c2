// API keys: the record kept of each, and the check of one that is presented.
import { timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { iso, now } from '../clock/clock.ts';
import { AgentId, TenantId } from '../scope/ids.ts';
import { CandidateScope, TenantScope } from '../scope/maker.ts';
import { type Change, create, type RememberedKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-partition.ts';
import type { Presented, Provider } from './authenticate.ts';
import type { TenantIdentity } from './identity.ts';
import { makeKey, readKey } from './key-text.ts';
import { type Role, roleNames, roles, type Scope, tenantScopes } from './scopes.ts';

const ApiKey = z.strictObject({
  name: z.string(),
  sha256: z.string(),
  role: z.enum(roleNames).optional(),
  scopes: z.array(z.enum(tenantScopes)),
  agentId: AgentId.optional(),
  expiresAt: z.iso.datetime().optional(),
  createdAt: z.iso.datetime(),
  createdBy: z.string(),
});
export type ApiKey = z.infer<typeof ApiKey>;

export const ApiKeys: RememberedKind<ApiKey> = { container: 'control', type: 'api-key', schema: ApiKey, remembered: true, proof: true };

export interface KeyOrder {
  readonly name: string;
  readonly role: Role;
  readonly agentId?: AgentId;
  readonly createdBy: string;
}

/** A key that comes into force with `change`; `text` is to be shown once and kept nowhere. */
export function newApiKey(tenantId: TenantId, order: KeyOrder): { keyId: string; text: string; change: Change } {
  const { keyId, sha256, text } = makeKey(tenantId);
  const record: ApiKey = { ...order, sha256, scopes: [...roles[order.role]], createdAt: iso() };
  return { keyId, text, change: create(ApiKeys, keyId, record) };
}

export class ApiKeyCheck implements Provider {
  readonly #store: TenantStore;

  constructor(store: TenantStore) {
    this.#store = store;
  }

  async identify({ credential }: Presented): Promise<TenantIdentity | undefined> {
    const key = credential === undefined ? undefined : readKey(credential);
    const claimed = TenantId.safeParse(key?.tenantId);
    if (!key || !claimed.success) return undefined;
    const record = await this.#store.remembered(new CandidateScope(claimed.data), ApiKeys, key.keyId);
    if (!record || !timingSafeEqual(Buffer.from(record.sha256), Buffer.from(key.sha256))) return undefined;
    if (record.expiresAt !== undefined && Date.parse(record.expiresAt) <= now()) return undefined;
    return {
      kind: 'tenant',
      tenantId: claimed.data,
      scope: new TenantScope(claimed.data, 'identity'),
      subject: key.keyId,
      keyId: key.keyId,
      method: 'api-key',
      role: record.role,
      scopes: new Set<Scope>(record.scopes),
      agentId: record.agentId,
      groups: [],
    };
  }
}
