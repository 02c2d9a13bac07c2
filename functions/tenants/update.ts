// Changes a tenant: its people what is theirs, the platform what it grants. Neither what is the other's.
import * as z from 'zod';
import { checkIfMatch, etagOf } from '../../shared/context/etag.ts';
import { sharedHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { foreignFields, TenantChange } from '../../shared/tenancy/change.ts';
import { TenantView } from '../../shared/tenancy/view.ts';

export const update = sharedHttp({
  name: 'tenants-update',
  route: 'PATCH /tenants/{tenantId}',
  summary: 'Changes a tenant',
  scopes: ['tenant:write'],
  platformScopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  body: TenantChange,
  answers: { 200: TenantView },
  audit: 'tenant.updated',
  handle: async ({ identity, path, body, exchange }, { tenantChanges }) => {
    const foreign = foreignFields(body, identity.kind);
    if (foreign.length > 0) {
      const missing = identity.kind === 'tenant' ? 'platform:tenants' : 'tenant:write';
      return new Problem('scope_missing', {
        detail: `For ${foreign.join(', ')} the scope is ${missing}.`,
        extensions: { missing: [missing] },
      });
    }
    const precondition = (stored: Parameters<typeof checkIfMatch>[1]) => checkIfMatch(exchange, stored);
    const shown =
      identity.kind === 'tenant'
        ? await tenantChanges.update(identity.scope, exchange.cause, body, precondition)
        : await tenantChanges.updateFor(path.tenantId, exchange.cause, body, precondition);
    if (shown instanceof Problem) return shown;
    return reply(200, shown.view, shown.stored && { etag: etagOf(shown.stored) });
  },
});
