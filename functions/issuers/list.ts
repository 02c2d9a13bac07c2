// The issuers whose tokens the tenant takes.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { IssuerView, viewOfIssuer } from '../../shared/identity/issuers.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const name = 'issuers-list';

export const list = http({
  name,
  route: 'GET /tenants/{tenantId}/issuers',
  summary: 'Lists the issuers whose tokens are taken',
  scopes: ['tenant:write'],
  path: z.object({ tenantId: TenantId }),
  query: PageQuery,
  answers: { 200: pageOf(IssuerView) },
  handle: async ({ scope, query }, { issuers }) => {
    const after = query.cursor === undefined ? '' : readCursor(query.cursor, scope.tenantId, name, z.string().max(40));
    if (after instanceof Problem) return after;
    const found = await issuers.list(scope, { limit: query.limit + 1, after });
    const items = found.slice(0, query.limit);
    const last = found.length > query.limit ? items.at(-1) : undefined;
    return reply(200, { items: items.map(viewOfIssuer), nextCursor: last ? makeCursor(scope.tenantId, name, last.name) : null });
  },
});
