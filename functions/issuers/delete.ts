// Trusts an issuer no more: its tokens end here, and within two seconds everywhere.
import * as z from 'zod';
import { checkIfMatch } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { nothing } from '../../shared/context/reply.ts';
import { IssuerName } from '../../shared/identity/issuers.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const remove = http({
  name: 'issuers-delete',
  route: 'DELETE /tenants/{tenantId}/issuers/{name}',
  summary: 'Takes tokens of an issuer no more',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId, name: IssuerName }),
  answers: { 204: undefined },
  audit: 'issuer.deleted',
  handle: async ({ scope, path, exchange }, { issuers }) =>
    (await issuers.delete(scope, exchange.cause, path.name, (stored) => checkIfMatch(exchange, stored))) ?? nothing,
});
