// Readers of queues that were drained a moment ago: opening a link takes longer than all else in a turn, and who was sent a message is often sent the next.
import { LRUCache } from 'lru-cache';
import type { Bus } from '../../bus/bus.ts';
import { queueName } from '../../bus/queue-names.ts';
import type { QueueReader } from '../../bus/queue-reader.ts';
import type { CandidateScope } from '../../scope/scope.ts';
import type { DrainedQueue } from './call.ts';

/** Open links without credit: they hold no message back. */
const kept = { max: 200, ttl: 60_000 } as const;

export class DrainReaders {
  readonly #bus: Bus;
  /** One for each queue; each is used by one turn at a time. */
  readonly #idle = new LRUCache<string, QueueReader>({
    ...kept,
    ttlAutopurge: true,
    dispose: (reader, _, reason) => {
      if (reason !== 'delete') reader.close().catch(() => undefined);
    },
  });

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** Lends a reader for some work; only one that has come through it is used again. */
  async use<T>(candidate: CandidateScope, queue: DrainedQueue, work: (reader: QueueReader) => Promise<T>): Promise<T> {
    const name = queueName(candidate.tenantId, queue);
    const idle = this.#idle.get(name);
    this.#idle.delete(name);
    const reader = idle ?? this.#bus.reader(candidate, queue);
    try {
      const done = await work(reader);
      this.#idle.set(name, reader);
      return done;
    } catch (error) {
      await reader.close();
      throw error;
    }
  }
}
