// The append-only event log of each tenant: what was changed (in the batch of the change itself) and what was done (in this process's lane).
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { chance, randomName, wait } from '../clock/clock.ts';
import { DependencyError, Problem } from '../errors/problem.ts';
import { type PlatformScope, type TenantScope, tenantOf } from '../scope/scope.ts';
import { type Change, create, type DocumentKind, remove, replace } from '../storage/documents.ts';
import type { TenantPartition, TenantStore } from '../storage/tenant-partition.ts';
import { log } from '../telemetry/log.ts';
import { emptyHead, link, seal } from './chain.ts';
import { type Cause, type EventDraft, Segment, Segments, segmentName } from './event.ts';
import { Lane } from './lane.ts';

/** The lane that changes to `control` are numbered in. Its end is part of every change's batch, so changes of one tenant are serial. */
const controlLane = 'control';

const Heads: DocumentKind<{ seq: number; hash: string }> = {
  container: 'control',
  type: 'lane',
  schema: z.strictObject({ seq: z.int(), hash: z.string() }),
};

/** Segments of the control lane that have not been copied to the ledger yet. */
export const Outbox: DocumentKind<Segment> = { container: 'control', type: 'outbox', schema: Segment };

/** What a change comes to: documents to write, the event that tells of it, and what the caller gets. */
export interface Plan<Result> {
  readonly changes: readonly Change[];
  readonly event: EventDraft;
  readonly result: Result;
}

/** A change meets others of the same tenant at most this often before the caller is told to come back. */
const commitTries = 20;

export class Ledger {
  readonly #store: TenantStore;
  readonly #lane = `p-${randomName(13)}`;
  /** Lanes opened so far; a lane pushed out has nothing waiting once its last append is done, and a new one takes over. */
  readonly #lanes = new LRUCache<string, Lane>({ max: 10_000 });
  #opened = 0;
  readonly #relays = new Map<string, Promise<void>>();

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /**
   * Makes a change and its event together or not at all. `plan` reads what it needs and says what to write; it runs again when another change
   * of the tenant came between, so whatever it read is still true when its change is made. A Problem from it ends the matter unwritten.
   */
  async commit<Result>(
    scope: TenantScope,
    cause: Cause,
    plan: (partition: TenantPartition) => Promise<Plan<Result> | Problem>,
  ): Promise<Result | Problem> {
    const partition = this.#store.of(scope);
    for (let count = 0; count < commitTries; count++) {
      const head = await partition.read(Heads, controlLane);
      const planned = await plan(partition);
      if (planned instanceof Problem) return planned;
      const event = seal(scope.tenantId, controlLane, (head?.body.seq ?? 0) + 1, cause, planned.event);
      const next = link(head?.body ?? emptyHead, [event]);
      const outcome = await partition.commit([
        head ? replace(Heads, head, next.head) : create(Heads, controlLane, next.head),
        create(Outbox, segmentName(event.seq), next.segment),
        ...planned.changes,
      ]);
      if (outcome.done) {
        this.#relayLater(scope);
        return planned.result;
      }
      await wait(chance() * 10 * (count + 1));
    }
    throw new DependencyError('cosmos', 'too many changes of one tenant at once');
  }

  /** Keeps an event that goes with no change. Resolves once it is stored; throws a DependencyError when it cannot be. */
  async append(scope: TenantScope, cause: Cause, draft: EventDraft): Promise<void> {
    let lane = this.#lanes.get(tenantOf(scope));
    if (!lane || lane.broken) {
      this.#opened += 1;
      lane = new Lane(this.#store, scope, `${this.#lane}-${this.#opened}`);
      this.#lanes.set(scope.tenantId, lane);
    }
    await lane.append(cause, draft);
  }

  /** Keeps an event of the platform's own. */
  async appendOwn(scope: PlatformScope, cause: Cause, draft: EventDraft): Promise<void> {
    await this.append(scope.own, cause, draft);
  }

  /** Keeps an event the answer does not wait for. A failure is a log line: the event it follows is already stored. */
  follow(scope: TenantScope, cause: Cause, draft: EventDraft): void {
    this.append(scope, cause, draft).catch(() => {
      log.error('an event could not be stored', scope.tenantId, { action: draft.action, requestId: cause.requestId });
    });
  }

  /** Segments that touch [from, before) and end by `endingBy`, and whatever of the control lane has not been copied yet, unordered. */
  async read(
    scope: TenantScope,
    range: { from: string; before: string; endingBy: string },
    limit: number,
  ): Promise<{ stored: Segment[]; fresh: Segment[] }> {
    const partition = this.#store.of(scope);
    // In this order: a segment copied in between is then seen twice, never not at all.
    const fresh = await partition.list(Outbox);
    const stored = await partition.latest(Segments, range, limit);
    return { stored: stored.map(({ body }) => body), fresh: fresh.map(({ body }) => body) };
  }

  /** Resolves once everything given to this process so far is stored or has failed. */
  async flush(): Promise<void> {
    await Promise.all([...[...this.#lanes.values()].map((lane) => lane.flush()), ...this.#relays.values()]);
  }

  /** Copies the tenant's outbox to the ledger behind the answer. What a crash leaves is copied after the tenant's next change. */
  #relayLater(scope: TenantScope): void {
    const before = this.#relays.get(scope.tenantId) ?? Promise.resolve();
    const relay = before
      .then(() => this.#relay(scope))
      .catch(() => log.warn('the outbox was not copied; the next change will try again', scope.tenantId))
      .finally(() => {
        if (this.#relays.get(scope.tenantId) === relay) this.#relays.delete(scope.tenantId);
      });
    this.#relays.set(scope.tenantId, relay);
  }

  async #relay(scope: TenantScope): Promise<void> {
    const partition = this.#store.of(scope);
    for (const { name, body } of await partition.list(Outbox)) {
      // Under the same name on every try and every instance: a repeat finds it there and changes nothing.
      await partition.commit([create(Segments, name, body)], controlLane);
      await partition.commit([remove(Outbox, name)]);
    }
  }
}
