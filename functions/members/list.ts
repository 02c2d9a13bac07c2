// The members of the tenant, in the order of their names.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Member } from '../../shared/tenancy/members.ts';

const name = 'members-list';

export const list = http({
  name,
  route: 'GET /tenants/{tenantId}/members',
  summary: 'Lists the members',
  scopes: ['members:manage'],
  path: z.object({ tenantId: TenantId }),
  query: PageQuery,
  answers: { 200: pageOf(Member) },
  handle: async ({ scope, query }, { members }) => {
    const { limit, cursor } = query;
    const after = cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, z.string().max(1_000));
    if (after instanceof Problem) return after;
    const found = await members.list(scope, { limit: limit + 1, ...(after !== undefined && { after }) });
    const last = found.length > limit ? found[limit - 1] : undefined;
    return reply(200, {
      items: found.slice(0, limit).map(({ body }) => body),
      nextCursor: last ? makeCursor(scope.tenantId, name, last.name) : null,
    });
  },
});
