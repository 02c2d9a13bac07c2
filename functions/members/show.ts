// One member.
import * as z from 'zod';
import { etagOf, notModified } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Member, Subject } from '../../shared/tenancy/members.ts';

export const show = http({
  name: 'members-show',
  route: 'GET /tenants/{tenantId}/members/{subject}',
  summary: 'Shows a member',
  scopes: ['members:manage'],
  path: z.object({ tenantId: TenantId, subject: Subject }),
  answers: { 200: Member, 304: undefined },
  handle: async ({ scope, path, exchange }, { members }) => {
    const stored = await members.read(scope, path.subject);
    if (!stored) return new Problem('not_found');
    const etag = etagOf(stored);
    return notModified(exchange, etag) ?? reply(200, stored.body, { etag });
  },
});
