// Trusts an issuer: its tokens for this tenant are taken from now on.
import * as z from 'zod';
import { checkIfMatch, etagOf } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { IssuerName, IssuerOrder, IssuerView, viewOfIssuer } from '../../shared/identity/issuers.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const write = http({
  name: 'issuers-write',
  route: 'PUT /tenants/{tenantId}/issuers/{name}',
  summary: 'Takes tokens of an issuer, and says what role they give',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId, name: IssuerName }),
  body: IssuerOrder,
  answers: { 200: IssuerView, 201: IssuerView },
  audit: 'issuer.written',
  handle: async ({ scope, path, body, exchange }, { issuers }) => {
    const made = await issuers.write(scope, exchange.cause, path.name, body, (stored) => checkIfMatch(exchange, stored));
    if (made instanceof Problem) return made;
    return reply(made.created ? 201 : 200, viewOfIssuer(made.stored), { etag: etagOf(made.stored) });
  },
});
