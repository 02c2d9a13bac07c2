// One tenant: one's own, or for the platform any.
import * as z from 'zod';
import { sharedHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { TenantView, viewOfTenant } from '../../shared/tenancy/view.ts';

export const show = sharedHttp({
  name: 'tenants-show',
  route: 'GET /tenants/{tenantId}',
  summary: 'Shows a tenant',
  scopes: ['tenant:read'],
  platformScopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: TenantView },
  handle: async ({ identity, path }, { tenants }) => {
    const tenant =
      identity.kind === 'tenant' ? await tenants.read(identity.scope) : await tenants.readFor(identity.platform, path.tenantId);
    return tenant instanceof Problem ? tenant : reply(200, viewOfTenant(tenant));
  },
});
