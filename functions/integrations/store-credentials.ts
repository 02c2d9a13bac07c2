// Stores a tenant's credential for an integration, sealed.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Credential } from '../../shared/credentials/credential.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { IntegrationId, TenantId } from '../../shared/scope/ids.ts';

const Stored = z.object({
  success: z.literal(true),
  tenantId: TenantId,
  integration: IntegrationId,
  encryptedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
});

export const storeCredentials = http({
  name: 'integrations-store-credentials',
  route: 'POST /tenants/{tenantId}/integrations/{integration}/credentials',
  summary: 'Stores a credential',
  scopes: ['integrations:write'],
  path: z.object({ tenantId: TenantId, integration: IntegrationId }),
  // Proving it with the provider first comes with the providers' own tests; until then, asking for it is refused rather than ignored.
  query: z.object({ test: z.literal('false').optional() }),
  body: Credential,
  policy: ({ path }) => ({ action: 'integration:connect', resource: { type: 'Integration', id: path.integration } }),
  answers: { 200: Stored },
  audit: 'credential.stored',
  handle: async ({ scope, path, body, exchange }, { connections }) => {
    const stored = await connections.store(scope, exchange.cause, path.integration, body);
    if (stored instanceof Problem) return stored;
    return reply(200, { success: true, tenantId: scope.tenantId, integration: path.integration, ...stored });
  },
});
