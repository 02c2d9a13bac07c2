// One process's lane in one tenant's ledger: events that arrive while a commit is under way share the next one.
import { DependencyError } from '../errors/problem.ts';
import type { TenantScope } from '../scope/scope.ts';
import { create } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-partition.ts';
import { emptyHead, type Head, link, seal } from './chain.ts';
import { type Cause, type EventDraft, Segments, segmentName } from './event.ts';

interface Waiting {
  readonly cause: Cause;
  readonly draft: EventDraft;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** A tenant may have this many events waiting in one process; the next is refused, which the caller sees as a 503. */
const queueLimit = 2_000;
/** Keeps a segment below 128 KB. */
const segmentEvents = 100;

export class Lane {
  readonly #store: TenantStore;
  readonly #scope: TenantScope;
  readonly #name: string;
  #head: Head = emptyHead;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #broken = false;

  constructor(store: TenantStore, scope: TenantScope, name: string) {
    this.#store = store;
    this.#scope = scope;
    this.#name = name;
  }

  /** Resolves once the event is stored. Throws a DependencyError when it cannot be, or when too many wait. */
  append(cause: Cause, draft: EventDraft): Promise<void> {
    if (this.#waiting.length >= queueLimit) throw new DependencyError('cosmos', 'the ledger of the tenant is behind');
    return new Promise((done, failed) => {
      this.#waiting.push({ cause, draft, done, failed });
      this.#running ??= this.#drain();
    });
  }

  /** Resolves once nothing waits. */
  async flush(): Promise<void> {
    await this.#running;
  }

  /** A broken lane takes nothing more; its owner opens another. */
  get broken(): boolean {
    return this.#broken;
  }

  async #drain(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, segmentEvents);
      const events = group.map(({ cause, draft }, at) => seal(this.#scope.tenantId, this.#name, this.#head.seq + 1 + at, cause, draft));
      const { segment, head } = link(this.#head, events);
      try {
        const outcome = await this.#store.of(this.#scope).commit([create(Segments, segmentName(segment.first), segment)], this.#name);
        if (!outcome.done) throw new Error('two writers share a lane');
        this.#head = head;
        for (const { done } of group) done();
      } catch (error) {
        // The segment may or may not be stored: the same events are never offered under the same numbers with other content.
        for (const { failed } of group) failed(error);
        this.#abandon(error);
      }
    }
    this.#running = undefined;
  }

  /** After a failure nobody knows the end of this lane, so it ends here. */
  #abandon(error: unknown): void {
    const rest = this.#waiting.splice(0);
    for (const { failed } of rest) failed(error);
    this.#broken = true;
  }
}
