// Work in the name of a tenant that no caller waits for.
import * as z from 'zod';
import { queue } from '../../shared/context/queue.ts';
import { TenantId } from '../../shared/scope/ids.ts';

queue({
  name: 'dispatch',
  queue: 'platform-dispatch',
  reason: 'dispatch',
  message: z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('job'), tenantId: TenantId, jobId: z.uuid() })]),
  handle: async ({ scope, message }, { ledgerJobs }) => {
    await ledgerJobs.run(scope, message.jobId);
  },
});
