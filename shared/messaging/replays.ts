// What the control plane has received: how a message that comes once more because it was not settled is told from one that was put there again.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { queueName, type TenantQueue } from '../bus/queue-names.ts';
import { iso } from '../clock/clock.ts';
import type { TenantScope } from '../scope/scope.ts';
import { create, type DocumentKind } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Envelope } from './envelope.ts';

const Seen = z.strictObject({ queue: z.string(), sequenceNumber: z.string(), seenAt: z.iso.datetime() });
type Seen = z.infer<typeof Seen>;

export const SeenMessages: DocumentKind<Seen> = { container: 'work', type: 'seen-message', schema: Seen };

/** An hour longer than a message can be young enough, clocks that differ included. */
const ttlSeconds = 25 * 3_600;

export class ReplayStore {
  readonly #store: TenantStore;

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /**
   * Enters a verified message at its first sight. A known id under the same sequence number of the same queue is a redelivery; under another one
   * it is a replay (architecture 6). What is sent on to another recipient under its id is another message. Throws a DependencyError.
   */
  async seen(
    scope: TenantScope,
    { messageId, to }: Pick<Envelope, 'messageId' | 'to'>,
    queue: TenantQueue,
    sequenceNumber: string,
  ): Promise<'new' | 'redelivery' | 'replay'> {
    const name = createHash('sha256').update(`${to} ${messageId}`).digest('base64url');
    // One value of the partition key bears 10,000 RU/s: a tenant's messages are spread over 64.
    const bucket = `seen-${name[0]}`;
    const partition = this.#store.of(scope);
    const sight: Seen = { queue: queueName(scope.tenantId, queue), sequenceNumber, seenAt: iso() };
    for (;;) {
      if ((await partition.commit([create(SeenMessages, name, sight, ttlSeconds)], bucket)).done) return 'new';
      const first = await partition.read(SeenMessages, name, bucket);
      // Its time ran out in between.
      if (!first) continue;
      return first.body.queue === sight.queue && first.body.sequenceNumber === sequenceNumber ? 'redelivery' : 'replay';
    }
  }
}
