// The tenant's agents: those that run, and for who may manage agents also those whose lease has ended.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { AgentView } from '../../shared/registry/agent.ts';

const name = 'registry-list';

export const list = http({
  name,
  route: 'GET /api/registry/agents',
  summary: 'Lists agents',
  scopes: ['agents:read'],
  query: PageQuery.extend({ status: z.enum(['running', 'expired', 'all']).default('running') }),
  answers: { 200: pageOf(AgentView), 304: undefined },
  handle: async ({ scope, identity, query, exchange }, { registry }) => {
    const { status, limit, cursor } = query;
    if (status !== 'running' && !identity.scopes.has('agents:manage')) {
      return new Problem('scope_missing', {
        detail: 'Agents that do not run are shown to who holds agents:manage.',
        extensions: { missing: ['agents:manage'] },
      });
    }
    const after = cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, z.string());
    if (after instanceof Problem) return after;
    const page = { limit, ...(after !== undefined && { after: [0, after] as const }) };
    const { items, next, total, version } = await registry.search(scope, {}, status, page);
    const tag = etagOf({ etag: version });
    const nextCursor = next ? makeCursor(scope.tenantId, name, next[1]) : null;
    return notModified(exchange, tag) ?? reply(200, { items, nextCursor, total }, { etag: tag });
  },
});
