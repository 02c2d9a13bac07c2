// Puts a new key in the place of another, which may go on working for a while.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { MadeKey } from '../../shared/identity/key-view.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const weekSeconds = 7 * 86_400;

export const rotateKey = http({
  name: 'identity-rotate-key',
  route: 'POST /tenants/{tenantId}/api-keys/{keyId}/rotate',
  summary: 'Puts a new API key in the place of another',
  scopes: ['keys:manage'],
  path: z.object({ tenantId: TenantId, keyId: z.string() }),
  body: z.strictObject({ graceSeconds: z.int().min(0).max(weekSeconds).default(0) }).prefault({}),
  answers: { 201: MadeKey },
  audit: 'key.rotated',
  secrets: ['key'],
  handle: async ({ identity, path, body, exchange }, { keys }) => {
    const made = await keys.rotate(identity, exchange.cause, path.keyId, body.graceSeconds);
    return made instanceof Problem ? made : reply(201, made);
  },
});
