// Ends a suspension: keys, tokens and queues are as they were.
import * as z from 'zod';
import { etagOf } from '../../shared/context/etag.ts';
import { platformHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { TenantView } from '../../shared/tenancy/view.ts';

export const resume = platformHttp({
  name: 'tenants-resume',
  route: 'POST /tenants/{tenantId}/resume',
  summary: 'Ends a suspension',
  scopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: TenantView },
  audit: 'tenant.resumed',
  handle: async ({ path, exchange }, { tenantChanges }) => {
    const shown = await tenantChanges.resume(path.tenantId, exchange.cause);
    if (shown instanceof Problem) return shown;
    return reply(200, shown.view, shown.stored && { etag: etagOf(shown.stored) });
  },
});
