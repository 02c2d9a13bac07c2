// One policy, as it was written.
import * as z from 'zod';
import { etagOf } from '../../shared/context/etag.ts';
import { http } from '../../shared/context/http.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { PolicyName } from '../../shared/policy/policies.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const show = http({
  name: 'policy-show',
  route: 'GET /tenants/{tenantId}/policies/{name}',
  summary: 'Shows a policy',
  scopes: ['policy:read'],
  path: z.object({ tenantId: TenantId, name: PolicyName }),
  answers: { 200: 'text/plain' },
  handle: async ({ scope, path }, { policies }) => {
    const policy = await policies.read(scope, path.name);
    if (!policy) return new Problem('not_found');
    return { status: 200, raw: policy.body.text, headers: { 'content-type': 'text/plain; charset=utf-8', etag: etagOf(policy) } };
  },
});
