// One tenant: one's own, or for the platform any, also one that was erased.
import * as z from 'zod';
import { etagOf } from '../../shared/context/etag.ts';
import { sharedHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { TenantView } from '../../shared/tenancy/view.ts';

export const show = sharedHttp({
  name: 'tenants-show',
  route: 'GET /tenants/{tenantId}',
  summary: 'Shows a tenant',
  scopes: ['tenant:read'],
  platformScopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: TenantView },
  handle: async ({ identity, path }, { tenants }) => {
    const shown = identity.kind === 'tenant' ? await tenants.read(identity.scope) : await tenants.readFor(identity.platform, path.tenantId);
    if (shown instanceof Problem) return shown;
    return reply(200, shown.view, shown.stored && { etag: etagOf(shown.stored) });
  },
});
