// Erases a tenant: it stops at once, its key is destroyed first, and the record tells how far it is.
import * as z from 'zod';
import { platformHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Erasure, viewOfErasure } from '../../shared/tenancy/erasure.ts';

export const erase = platformHttp({
  name: 'tenants-erase',
  route: 'DELETE /tenants/{tenantId}',
  summary: 'Erases a tenant',
  scopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  answers: { 202: Erasure },
  audit: 'tenant.erasing',
  handle: async ({ path, exchange }, { tenantChanges }) => {
    const kept = await tenantChanges.erase(path.tenantId, exchange.cause);
    return kept instanceof Problem ? kept : reply(202, viewOfErasure(kept));
  },
});
