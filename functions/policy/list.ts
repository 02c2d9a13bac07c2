// The policies of a tenant, without their texts.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { PolicyView, viewOfPolicy } from '../../shared/policy/policies.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const name = 'policy-list';

export const list = http({
  name,
  route: 'GET /tenants/{tenantId}/policies',
  summary: 'Lists the policies',
  scopes: ['policy:read'],
  path: z.object({ tenantId: TenantId }),
  query: PageQuery,
  answers: { 200: pageOf(PolicyView) },
  handle: async ({ scope, query }, { policies }) => {
    const after = query.cursor === undefined ? '' : readCursor(query.cursor, scope.tenantId, name, z.string());
    if (after instanceof Problem) return after;
    const all = (await policies.list(scope)).map(viewOfPolicy);
    const rest = all.filter((policy) => policy.name > after);
    const items = rest.slice(0, query.limit);
    const more = items.length < rest.length;
    return reply(200, { items, nextCursor: more ? makeCursor(scope.tenantId, name, items.at(-1)?.name) : null, total: all.length });
  },
});
