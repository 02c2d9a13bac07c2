// The tenant's API keys, without their secrets.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { ListedKey } from '../../shared/identity/key-view.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const name = 'identity-list-keys';

export const listKeys = http({
  name,
  route: 'GET /tenants/{tenantId}/api-keys',
  summary: 'Lists the API keys',
  scopes: ['keys:manage'],
  path: z.object({ tenantId: TenantId }),
  query: PageQuery,
  answers: { 200: pageOf(ListedKey) },
  handle: async ({ scope, query: { limit, cursor } }, { keys }) => {
    const after = cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, z.string());
    if (after instanceof Problem) return after;
    const { items, next } = await keys.list(scope, limit, after);
    return reply(200, { items, nextCursor: next === undefined ? null : makeCursor(scope.tenantId, name, next) });
  },
});
