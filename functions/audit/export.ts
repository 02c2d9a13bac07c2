// Writes the tenant's whole ledger to a file, in the background.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { TenantId } from '../../shared/scope/ids.ts';

export const exportLedger = http({
  name: 'audit-export',
  route: 'POST /tenants/{tenantId}/audit/export',
  summary: 'Starts an export of the ledger',
  scopes: ['audit:read'],
  path: z.object({ tenantId: TenantId }),
  answers: { 202: z.object({ jobId: z.uuid() }) },
  audit: 'ledger.export_requested',
  handle: async ({ scope, exchange }, { ledger, ledgerJobs }) => {
    const job = await ledgerJobs.start(scope, 'export');
    await ledger.append(scope, exchange.cause, { action: 'ledger.export_requested', entity: { type: 'job', id: job.jobId } });
    return reply(202, job);
  },
});
