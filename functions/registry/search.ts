// Running agents by what they can do. All conditions given must hold.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { AgentView, isRunning } from '../../shared/registry/agent.ts';

const name = 'registry-search';
const term = z.string().min(1).max(256);

export const search = http({
  name,
  route: 'GET /api/registry/agents/search',
  summary: 'Searches running agents by skill and tag',
  scopes: ['agents:read'],
  query: PageQuery.extend({ skill: term.optional(), tag: term.optional() }),
  answers: { 200: pageOf(AgentView) },
  handle: async ({ scope, query }, { registry }) => {
    const { skill, tag, limit, cursor } = query;
    const after = cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, z.string());
    if (after instanceof Problem) return after;
    const { items, next, total } = await registry.list(
      scope,
      (agent) =>
        isRunning(agent) && (skill === undefined || agent.skills.includes(skill)) && (tag === undefined || agent.tags.includes(tag)),
      { limit, ...(after !== undefined && { after }) },
    );
    return reply(200, { items, nextCursor: next === undefined ? null : makeCursor(scope.tenantId, name, next), total });
  },
});
