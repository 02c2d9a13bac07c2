// The way of the control lane's segments from the outbox, where each change left its own, to the ledger.
import type { TenantScope } from '../scope/scope.ts';
import { create, type DocumentKind, remove } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { log } from '../telemetry/log.ts';
import { Segment, Segments } from './event.ts';
import { controlLane } from './verify-chain.ts';

/** Segments of the control lane that have not been copied to the ledger yet. */
export const Outbox: DocumentKind<Segment> = { container: 'control', type: 'outbox', schema: Segment };

export class OutboxRelay {
  readonly #store: TenantStore;
  readonly #running = new Map<string, Promise<void>>();

  constructor(store: TenantStore) {
    this.#store = store;
  }

  /**
   * Copies the tenant's outbox to the ledger behind the answer. What a crash leaves is copied by whoever next changes or reads the tenant's ledger, or by
   * the hourly checkpoint; until then readings take it from the outbox.
   */
  later(scope: TenantScope): void {
    const before = this.#running.get(scope.tenantId) ?? Promise.resolve();
    const relay = before
      .then(() => this.now(scope))
      .catch(() => log.warn('the outbox was not copied; the next reader will try again', scope.tenantId))
      .finally(() => {
        if (this.#running.get(scope.tenantId) === relay) this.#running.delete(scope.tenantId);
      });
    this.#running.set(scope.tenantId, relay);
  }

  /** In order, and each removed only when it is copied: whatever the ledger holds of the control lane is a beginning of it without gaps. */
  async now(scope: TenantScope): Promise<void> {
    const partition = this.#store.of(scope);
    for (const { name, body } of await partition.list(Outbox)) {
      // Under the same name on every try and every instance: a repeat finds it there and changes nothing.
      await partition.commit([create(Segments, name, body)], controlLane);
      await partition.commit([remove(Outbox, name)]);
    }
  }

  /** Resolves once nothing is being copied. */
  async flush(): Promise<void> {
    await Promise.all(this.#running.values());
  }
}
