// Writes a policy. It is held to the schema first, and holds everywhere within two seconds.
import * as z from 'zod';
import { checkIfMatch, etagOf } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { PolicyName, PolicyView, viewOfPolicy } from '../../shared/policy/policies.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const Written = PolicyView.extend({ warnings: z.array(z.object({ line: z.int(), column: z.int(), message: z.string() })) }).meta({
  id: 'PolicyWritten',
});

export const write = http({
  name: 'policy-write',
  route: 'PUT /tenants/{tenantId}/policies/{name}',
  summary: 'Writes a policy',
  scopes: ['policy:write'],
  path: z.object({ tenantId: TenantId, name: PolicyName }),
  body: z.string(),
  accepts: 'text',
  answers: { 201: Written, 200: Written },
  audit: 'policy.written',
  handle: async ({ scope, path, body, exchange }, { policies }) => {
    const written = await policies.write(scope, exchange.cause, path.name, body, (present) => checkIfMatch(exchange, present));
    if (written instanceof Problem) return written;
    const { isNew, policy, warnings } = written;
    return reply(isNew ? 201 : 200, { ...viewOfPolicy(policy), warnings }, policy.etag === '' ? {} : { etag: etagOf(policy) });
  },
});
