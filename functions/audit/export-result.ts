// An export of the tenant's ledger, once it is written: one JSON object a line, which `npm run verify-ledger` checks offline.
import { Readable } from 'node:stream';
import * as z from 'zod';
import { http } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';
import { Problem } from '../../shared/errors/problem.ts';
import { readExport } from '../../shared/ledger/export.ts';
import { Job } from '../../shared/ledger/job.ts';
import { TenantId } from '../../shared/scope/ids.ts';

const { status, events } = Job.shape;

export const exportResult = http({
  name: 'audit-export-result',
  route: 'GET /tenants/{tenantId}/audit/export',
  summary: 'Answers an export of the ledger',
  scopes: ['audit:read'],
  path: z.object({ tenantId: TenantId }),
  query: z.object({ jobId: z.uuid() }),
  answers: { 200: 'application/x-ndjson', 202: z.object({ status, events }) },
  handle: async ({ scope, query }, { ledgerJobs, blobs }) => {
    const job = await ledgerJobs.read(scope, 'export', query.jobId);
    if (job instanceof Problem) return job;
    if (job.status === 'running') return reply(202, { status: job.status, events: job.events }, { 'retry-after': '1' });
    if (job.status === 'failed') return new Problem('job_failed');
    const lines = await readExport(blobs, scope, query.jobId);
    if (!lines) return new Problem('not_found');
    return { status: 200, headers: { 'content-type': 'application/x-ndjson' }, raw: Readable.toWeb(lines) };
  },
});
