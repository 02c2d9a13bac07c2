// API keys as they are answered.
import * as z from 'zod';
import { AgentId } from '../scope/ids.ts';
import type { ApiKey } from './api-keys.ts';
import { roleNames, tenantScopes } from './scopes.ts';

export const KeyView = z.object({
  keyId: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(tenantScopes)),
  role: z.enum(roleNames).nullable(),
  agentId: AgentId.nullable(),
  expiresAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export type KeyView = z.infer<typeof KeyView>;

/** With its text, which is shown once. */
export const MadeKey = KeyView.extend({ key: z.string() });
export type MadeKey = z.infer<typeof MadeKey>;

export const ListedKey = KeyView.extend({
  createdBy: z.string(),
  /** To the hour; null when it was not used for 400 days. */
  lastUsedAt: z.iso.datetime().nullable(),
  /** The key that took its place; it works until `expiresAt` all the same. */
  rotatedTo: z.string().nullable(),
});
export type ListedKey = z.infer<typeof ListedKey>;

export function viewOf(keyId: string, { name, scopes, role, agentId, expiresAt, createdAt }: ApiKey): KeyView {
  return { keyId, name, scopes, role: role ?? null, agentId: agentId ?? null, expiresAt: expiresAt ?? null, createdAt };
}

/** `usedAt` is when the hour of the last use began, which may be before the key was made in it. */
export function listedViewOf(keyId: string, key: ApiKey, usedAt: string | undefined): ListedKey {
  const lastUsedAt = usedAt !== undefined && usedAt < key.createdAt ? key.createdAt : (usedAt ?? null);
  return { ...viewOf(keyId, key), createdBy: key.createdBy, lastUsedAt, rotatedTo: key.rotatedTo ?? null };
}
