// The messages that could not be delivered, each with its reason.
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { DeadLetter, Position } from '../../shared/messaging/dead-letters.ts';

const name = 'messages-list-dead-letters';

export const listDeadLetters = http({
  name,
  route: 'GET /api/messages/dead-letters',
  summary: 'Lists dead letters',
  scopes: ['messages:manage'],
  query: PageQuery,
  answers: { 200: pageOf(DeadLetter) },
  handle: async ({ scope, query: { limit, cursor } }, { deadLetters }) => {
    const after = cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, Position);
    if (after instanceof Problem) return after;
    const { items, next } = await deadLetters.list(scope, limit, after);
    return reply(200, { items, nextCursor: next ? makeCursor(scope.tenantId, name, next) : null });
  },
});
