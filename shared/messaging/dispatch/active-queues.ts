// Which queues the sweep looks at: those that something was sent to lately, in a few documents, so that an idle platform costs next to nothing however
// many tenants it has.
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { queueName, readQueueName } from '../../bus/queue-names.ts';
import { chance, iso, now, wait } from '../../clock/clock.ts';
import { DependencyError } from '../../errors/problem.ts';
import type { TenantId } from '../../scope/ids.ts';
import type { PlatformScope } from '../../scope/scope.ts';
import type { PlatformDocuments, PlatformKind } from '../../storage/platform-documents.ts';
import { DrainedQueue } from './call.ts';

/** By the queue's name: when it was last known to be used. 70 bytes each, of the 2 MB a document may have. */
const Shard = z.strictObject({ queues: z.record(z.string(), z.iso.datetime()) });
const Shards: PlatformKind<z.infer<typeof Shard>> = { type: 'dispatch-active', schema: Shard };

const shards = 4;
/** A sender believes for so long that a queue it has entered is on the list… */
const rememberedMs = 2 * 60_000;
/** …and nobody takes one off that was entered less than this ago: three times as long, for clocks and sends that are slow. */
export const idleMs = 6 * 60_000;
const tries = 40;

export interface ActiveQueue {
  readonly tenantId: TenantId;
  readonly queue: DrainedQueue;
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
}

export class ActiveQueues {
  readonly #documents: PlatformDocuments;
  readonly #platform: PlatformScope;
  readonly #entered = new LRUCache<string, true>({ max: 50_000, ttl: rememberedMs });
  /** By shard: the next write, which whoever comes before it begins may join. */
  readonly #next = new Map<number, { readonly names: Set<string>; readonly entered: Promise<void> }>();
  readonly #last = new Map<number, Promise<void>>();

  constructor(documents: PlatformDocuments, platform: PlatformScope) {
    this.#documents = documents;
    this.#platform = platform;
  }

  /** To be called before a message is sent: the queue is on the list then, and stays while it is used. Throws a DependencyError. */
  async enter(tenantId: TenantId, queue: DrainedQueue): Promise<void> {
    const name = queueName(tenantId, queue);
    if (this.#entered.has(name)) return;
    const shard = shardOf(tenantId);
    let next = this.#next.get(shard);
    if (!next) {
      next = { names: new Set(), entered: this.#enterNext(shard, this.#last.get(shard)) };
      this.#next.set(shard, next);
      this.#last.set(
        shard,
        next.entered.catch(() => undefined),
      );
    }
    next.names.add(name);
    await next.entered;
    this.#entered.set(name, true);
  }

  /** Every queue on the list, a shard at a time. */
  async *all(): AsyncGenerator<ActiveQueue[]> {
    for (let shard = 0; shard < shards; shard++) yield this.#read(shard);
  }

  async ofTenant(tenantId: TenantId): Promise<ActiveQueue[]> {
    return (await this.#read(shardOf(tenantId))).filter((each) => each.tenantId === tenantId);
  }

  /** Takes queues off that have not been entered anew since they were read. Safe to repeat. */
  async leave(gone: readonly ActiveQueue[]): Promise<void> {
    for (const shard of new Set(gone.map(({ tenantId }) => shardOf(tenantId)))) {
      const readAt = new Map(gone.map(({ tenantId, queue, usedAt }) => [queueName(tenantId, queue), usedAt]));
      await this.#change(shard, (queues) => {
        const kept = Object.entries(queues).filter(([name, usedAt]) => Date.parse(usedAt) !== readAt.get(name));
        return kept.length < Object.keys(queues).length ? Object.fromEntries(kept) : undefined;
      });
    }
  }

  async #read(shard: number): Promise<ActiveQueue[]> {
    const stored = await this.#documents.read(this.#platform, Shards, String(shard));
    return Object.entries(stored?.body.queues ?? {}).flatMap(([name, usedAt]) => {
      const named = readQueueName(name);
      const queue = DrainedQueue.safeParse(named?.queue);
      return named && queue.success ? { tenantId: named.tenantId, queue: queue.data, usedAt: Date.parse(usedAt) } : [];
    });
  }

  /** One write for all that waited for the one before. */
  async #enterNext(shard: number, before: Promise<void> | undefined): Promise<void> {
    await before;
    const names = [...(this.#next.get(shard)?.names ?? [])];
    this.#next.delete(shard);
    await this.#change(shard, (queues) => ({ ...queues, ...Object.fromEntries(names.map((name) => [name, iso(now())])) }));
  }

  async #change(shard: number, next: (queues: Readonly<Record<string, string>>) => Record<string, string> | undefined): Promise<void> {
    for (let count = 0; count < tries; count++) {
      const stored = await this.#documents.read(this.#platform, Shards, String(shard));
      const queues = next(stored?.body.queues ?? {});
      if (!queues) return;
      const done = stored
        ? await this.#documents.replace(this.#platform, Shards, stored, { queues })
        : await this.#documents.create(this.#platform, Shards, String(shard), { queues });
      if (done) return;
      await wait(chance() * 5 * (count + 1));
    }
    throw new DependencyError('cosmos', 'too many queues become active at once');
  }
}

function shardOf(tenantId: TenantId): number {
  return Buffer.from(tenantId).reduce((sum, byte) => sum + byte, 0) % shards;
}
