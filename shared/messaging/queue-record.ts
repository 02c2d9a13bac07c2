// What is known of an agent's own queue: whether it may be sent to, whether it is on its way out, and who is at work on it.
import * as z from 'zod';
import type { AgentId } from '../scope/ids.ts';
import type { DocumentKind } from '../storage/documents.ts';

const QueueRecord = z.strictObject({
  /** Since when it can be sent to and listened at; none while it is being made. */
  readyAt: z.iso.datetime().optional(),
  /** Since when its agent has none: nothing is sent to it, and it goes once it is empty. */
  closedAt: z.iso.datetime().optional(),
  /** When it is looked at again. */
  lookAt: z.iso.datetime().optional(),
  /** The Key Vault version of its listen key. */
  listenKey: z.string().optional(),
  /** One worker at a time: whoever wrote this last works on the queue, until then at most. */
  hold: z.strictObject({ by: z.string(), until: z.iso.datetime() }).optional(),
});
export type QueueRecord = z.infer<typeof QueueRecord>;

export const QueueRecords: DocumentKind<QueueRecord> = { container: 'control', type: 'queue', schema: QueueRecord };

/** `isListenedAt`: for an agent that listens, a queue that was made for one that is pushed to is not ready yet. */
export function isReady({ readyAt, closedAt, listenKey }: QueueRecord, isListenedAt: boolean): boolean {
  return readyAt !== undefined && closedAt === undefined && !(isListenedAt && listenKey === undefined);
}

/** What the listen key of an agent's queue is called (kind `msg`). Agent ids hold no `--`, so this is no other secret's name. */
export function listenSecret(agentId: AgentId): string {
  return `listen--${agentId}`;
}
