// How a verification of the tenant's ledger goes, and what it found.
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { Job } from '../../shared/ledger/job.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const { status, ok, lanes, events, firstBroken } = Job.shape;

export const verifyResult = http({
  name: 'audit-verify-result',
  route: 'GET /tenants/{tenantId}/audit/verify',
  summary: 'Tells what a verification found',
  scopes: ['audit:read'],
  path: z.object({ tenantId: TenantId }),
  query: z.object({ jobId: z.uuid() }),
  answers: { 200: z.object({ status, ok, lanes, events, firstBroken }) },
  handle: async ({ scope, query }, { ledgerJobs }) => {
    const job = await ledgerJobs.read(scope, 'verify', query.jobId);
    if (job instanceof Problem) return job;
    return reply(200, { status: job.status, ok: job.ok, lanes: job.lanes, events: job.events, firstBroken: job.firstBroken });
  },
});
