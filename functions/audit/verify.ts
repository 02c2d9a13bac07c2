// Checks the tenant's whole ledger, in the background.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const verify = http({
  name: 'audit-verify',
  route: 'POST /tenants/{tenantId}/audit/verify',
  summary: 'Starts a verification of the ledger',
  scopes: ['audit:read'],
  path: z.object({ tenantId: TenantId }),
  answers: { 202: z.object({ jobId: z.uuid() }) },
  audit: 'ledger.verify_requested',
  handle: async ({ scope, exchange }, { ledger, ledgerJobs }) => {
    const job = await ledgerJobs.start(scope, 'verify');
    await ledger.append(scope, exchange.cause, { action: 'ledger.verify_requested', entity: { type: 'job', id: job.jobId } });
    return reply(202, job);
  },
});
