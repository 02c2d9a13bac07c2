// The tenant's audit trail, newest first.
import * as z from 'zod';
import { makeCursor, readCursor } from '../../shared/context/cursor.ts';
import { http } from '../../shared/context/http.ts';
import { PageQuery, pageOf } from '../../shared/context/pages.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { listEvents } from '../../shared/ledger/audit.ts';
import { Event } from '../../shared/ledger/event.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const name = 'audit-list';
const word = z.string().min(1).max(256);

const Query = PageQuery.extend({
  actor: word.optional(),
  action: word.optional(),
  entity: word.regex(/^[^:]+:.+$/, 'type:id').optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
});

export const list = http({
  name,
  route: 'GET /tenants/{tenantId}/audit',
  summary: 'Lists the audit trail',
  scopes: ['audit:read'],
  path: z.object({ tenantId: TenantId }),
  query: Query,
  answers: { 200: pageOf(Event) },
  handle: async ({ scope, query }, { ledger, ledgerArchive }) => {
    const { limit, cursor, actor, action, entity, from, to } = query;
    const after =
      cursor === undefined ? undefined : readCursor(cursor, scope.tenantId, name, z.object({ at: z.iso.datetime(), id: z.string() }));
    if (after instanceof Problem) return after;
    const [type = '', ...id] = entity?.split(':') ?? [];
    const filter = {
      ...(actor !== undefined && { actor }),
      ...(action !== undefined && { action }),
      ...(entity !== undefined && { entity: { type, id: id.join(':') } }),
      ...(from !== undefined && { from: inMilliseconds(from) }),
      ...(to !== undefined && { to: inMilliseconds(to) }),
    };
    const { items, next } = await listEvents({ ledger, archive: ledgerArchive }, scope, filter, { limit, ...(after && { after }) });
    return reply(200, { items, nextCursor: next ? makeCursor(scope.tenantId, name, next) : null });
  },
});

/** Instants are compared as text, so they must be written alike. */
function inMilliseconds(instant: string): string {
  return new Date(instant).toISOString();
}
