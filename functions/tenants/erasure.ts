// How far an erasure is: what was destroyed when, until when it could be brought back, and at the end the certificate.
import * as z from 'zod';
import { platformHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { TenantId } from '../../shared/scope/ids.ts';
import { Erasure, viewOfErasure } from '../../shared/tenancy/erasure.ts';

export const erasure = platformHttp({
  name: 'tenants-erasure',
  route: 'GET /tenants/{tenantId}/erasure',
  summary: 'Shows how far the erasure of a tenant is',
  scopes: ['platform:tenants'],
  path: z.object({ tenantId: TenantId }),
  answers: { 200: Erasure },
  handle: async ({ path }, { tenantChanges }) => {
    const kept = await tenantChanges.erasure(path.tenantId);
    return kept instanceof Problem ? kept : reply(200, viewOfErasure(kept));
  },
});
