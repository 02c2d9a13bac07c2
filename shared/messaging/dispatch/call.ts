// What rings on `platform-dispatch`: calls to see to one queue of one tenant.
import * as z from 'zod';
import { queueName } from '../../bus/queue-names.ts';
import { AgentId, TenantId } from '../../scope/ids.ts';

/** The queues that the control plane drains: `agents`, `orchestrator`, and the own ones of push agents. */
export const DrainedQueue = z.union([z.enum(['agents', 'orchestrator']), z.strictObject({ agent: AgentId })]);
export type DrainedQueue = z.infer<typeof DrainedQueue>;

const place = { tenantId: TenantId, queue: DrainedQueue };

/** There are messages. It belongs to the marker of its lane that bears its token, and counts while that one is there. `tag` is the marker's when it rang. */
export const Ring = z.strictObject({
  kind: z.literal('ring'),
  ...place,
  lane: z.int().min(0).max(31),
  token: z.string().max(64),
  tag: z.string().max(128).optional(),
});
export type Ring = z.infer<typeof Ring>;

/** The time has come for a message that was deferred. */
export const Retry = z.strictObject({ kind: z.literal('retry'), ...place, sequenceNumber: z.string().regex(/^\d{1,20}$/) });
export type Retry = z.infer<typeof Retry>;

export const Call = z.discriminatedUnion('kind', [Ring, Retry]);
export type Call = z.infer<typeof Call>;

/** One way for messages of a queue to be seen to: of each lane one ring is on its way at most. Senders ring lane 0, a backlog opens the others. */
export type Lane = Pick<Ring, 'tenantId' | 'queue' | 'lane'>;

export function laneName({ tenantId, queue, lane }: Lane): string {
  return `${queueName(tenantId, queue)}:${lane}`;
}
