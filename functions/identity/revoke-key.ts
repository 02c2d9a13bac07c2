// Takes an API key out of force: here at once, on every instance within two seconds.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { nothing } from '../../shared/context/reply.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const revokeKey = http({
  name: 'identity-revoke-key',
  route: 'DELETE /tenants/{tenantId}/api-keys/{keyId}',
  summary: 'Revokes an API key',
  scopes: ['keys:manage'],
  path: z.object({ tenantId: TenantId, keyId: z.string() }),
  answers: { 204: undefined },
  audit: 'key.revoked',
  handle: async ({ identity, path, exchange }, { keys }) => (await keys.revoke(identity, exchange.cause, path.keyId)) ?? nothing,
});
