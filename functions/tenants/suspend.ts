// Suspends a tenant: its keys, tokens and queues stop, and nothing of it is lost.
import * as z from 'zod';
import { etagOf } from '../../shared/context/etag.ts';
import { platformHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { TenantView } from '../../shared/tenancy/view.ts';

export const suspend = platformHttp({
  name: 'tenants-suspend',
  route: 'POST /tenants/{tenantId}/suspend',
  summary: 'Suspends a tenant',
  scopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: TenantView },
  audit: 'tenant.suspended',
  handle: async ({ path, exchange }, { tenantChanges }) => {
    const shown = await tenantChanges.suspend(path.tenantId, exchange.cause);
    if (shown instanceof Problem) return shown;
    return reply(200, shown.view, shown.stored && { etag: etagOf(shown.stored) });
  },
});
