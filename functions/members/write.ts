// Makes somebody a member, or changes what a member may do.
import * as z from 'zod';
import { checkIfMatch, etagOf } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Groups, Member, Subject } from '../../shared/tenancy/members.ts';

export const write = http({
  name: 'members-write',
  route: 'PUT /tenants/{tenantId}/members/{subject}',
  summary: 'Makes or changes a member',
  scopes: ['members:manage'],
  path: z.object({ tenantId: TenantId, subject: Subject }),
  body: z.strictObject({ role: Member.shape.role, groups: Groups.default([]) }),
  answers: { 201: Member, 200: Member },
  audit: 'member.written',
  handle: async ({ scope, identity, path, body, exchange }, { members }) => {
    const member = { subject: path.subject, ...body };
    const written = await members.write(scope, exchange.cause, identity.scopes, member, (stored) => checkIfMatch(exchange, stored));
    if (written instanceof Problem) return written;
    const stored = await members.read(scope, path.subject);
    // Somebody took it away in the same moment.
    if (!stored) return new Problem('not_found');
    return reply(written.isNew ? 201 : 200, stored.body, { etag: etagOf(stored) });
  },
});
