// One issuer whose tokens the tenant takes.
import * as z from 'zod';
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { IssuerName, IssuerView, viewOfIssuer } from '../../shared/identity/issuers.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const show = http({
  name: 'issuers-show',
  route: 'GET /tenants/{tenantId}/issuers/{name}',
  summary: 'Shows an issuer',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId, name: IssuerName }),
  answers: { 200: IssuerView, 304: undefined },
  handle: async ({ scope, path, exchange }, { issuers }) => {
    const stored = await issuers.read(scope, path.name);
    if (stored instanceof Problem) return stored;
    const etag = etagOf(stored);
    return notModified(exchange, etag) ?? reply(200, viewOfIssuer(stored), { etag });
  },
});
