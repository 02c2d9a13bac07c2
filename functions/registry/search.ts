// Running agents by what they can do and what they are called, best first. All conditions given must hold.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { AgentView } from '../../shared/registry/agent.ts';

const name = 'registry-search';
const term = z.string().min(1).max(256);
const Position = z.tuple([z.int(), z.string()]);

export const search = http({
  name,
  route: 'GET /api/registry/agents/search',
  summary: 'Searches running agents by skill, tag, capability, pattern and text',
  scopes: ['agents:read'],
  query: PageQuery.extend({
    skill: term.optional(),
    tag: term.optional(),
    capability: term.optional(),
    pattern: term.optional(),
    q: term.optional(),
  }),
  answers: { 200: pageOf(AgentView), 304: undefined },
  handle: async ({ scope, query, exchange }, { registry }) => {
    const { limit, cursor, ...criteria } = query;
    const after = cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, Position);
    if (after instanceof Problem) return after;
    const { items, next, total, version } = await registry.search(scope, criteria, 'running', { limit, after });
    const tag = etagOf({ etag: version });
    const nextCursor = next ? makeCursor(scope.tenantId, name, next) : null;
    return notModified(exchange, tag) ?? reply(200, { items, nextCursor, total }, { etag: tag });
  },
});
