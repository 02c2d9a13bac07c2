// The tenants there are, oldest first.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { platformHttp } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantView } from '../../shared/tenancy/view.ts';

const name = 'tenants-list';

export const list = platformHttp({
  name,
  route: 'GET /tenants',
  summary: 'Lists the tenants',
  scopes: ['platform:tenants'],
  query: PageQuery,
  answers: { 200: pageOf(TenantView) },
  handle: async ({ identity, query }, { tenants }) => {
    const from = query.cursor === undefined ? 0 : readCursor(query.cursor, 'platform', name, z.int().min(0));
    if (from instanceof Problem) return from;
    const { items, next } = await tenants.list(identity.platform, from, query.limit);
    return reply(200, { items, nextCursor: next === undefined ? null : makeCursor('platform', name, next) });
  },
});
