// Deletes a policy: what only it permitted or forbade is decided without it, everywhere within two seconds.
import * as z from 'zod';
import { checkIfMatch } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { nothing } from '../../shared/context/reply.ts';
import { PolicyName } from '../../shared/policy/policies.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const remove = http({
  name: 'policy-delete',
  route: 'DELETE /tenants/{tenantId}/policies/{name}',
  summary: 'Deletes a policy',
  scopes: ['policy:write'],
  path: z.object({ tenantId: TenantId, name: PolicyName }),
  answers: { 204: undefined },
  audit: 'policy.deleted',
  handle: async ({ scope, path, exchange }, { policies }) =>
    (await policies.delete(scope, exchange.cause, path.name, (present) => checkIfMatch(exchange, present))) ?? nothing,
});
