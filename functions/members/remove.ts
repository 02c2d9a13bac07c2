// Ends a membership. What the member signed in with, or was given tokens for, ends with it.
import * as z from 'zod';
import { checkIfMatch } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { nothing } from '../../shared/context/reply.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Subject } from '../../shared/tenancy/members.ts';

export const remove = http({
  name: 'members-remove',
  route: 'DELETE /tenants/{tenantId}/members/{subject}',
  summary: 'Ends a membership',
  scopes: ['members:manage'],
  path: z.object({ tenantId: TenantId, subject: Subject }),
  answers: { 204: undefined },
  audit: 'member.removed',
  handle: async ({ scope, identity, path, exchange }, { members }) =>
    (await members.remove(scope, exchange.cause, identity.scopes, path.subject, (stored) => checkIfMatch(exchange, stored))) ?? nothing,
});
