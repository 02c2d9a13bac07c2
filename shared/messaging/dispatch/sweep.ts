// The sweep: what a crash has left lying is found here. It looks at queues that were used lately, and at no others.
import type { Bus } from '../../bus/bus.ts';
import type { ReceivedMessage } from '../../bus/queue-reader.ts';
import { hasCode } from '../../bus/transient.ts';
import { now } from '../../clock/clock.ts';
import { DependencyError } from '../../errors/problem.ts';
import type { TenantId } from '../../scope/ids.ts';
import type { PlatformScope } from '../../scope/scope.ts';
import type { PlatformDocuments } from '../../storage/platform-documents.ts';
import { log } from '../../telemetry/log.ts';
import type { TenantRecords } from '../../tenancy/tenant.ts';
import { type ActiveQueue, type ActiveQueues, idleMs } from './active-queues.ts';
import { laneName } from './call.ts';
import { type Doorbell, groundOf } from './doorbell.ts';
import { dueProperty } from './drain.ts';
import type { Ground } from './ground.ts';
import { Markers, overdueMs } from './markers.ts';

interface Services {
  readonly bus: Bus;
  readonly platform: PlatformScope;
  readonly platformDocuments: PlatformDocuments;
  readonly tenantRecords: TenantRecords;
  readonly activeQueues: ActiveQueues;
  readonly doorbell: Doorbell;
}

const atOnce = 20;
/** A page of messages, and how many are looked at: behind so many that were set aside there may be others. */
const [pageSize, maxPages] = [100, 10];
/** A call that is so much overdue was lost. */
const lostMs = 60_000;

export class DispatchSweep {
  readonly #services: Services;
  readonly #ground: Ground;

  constructor(services: Services) {
    this.#services = services;
    this.#ground = groundOf(services);
  }

  /** For a tenant that has just been opened again: whatever was called for meanwhile came to nothing. Throws a DependencyError; safe to repeat. */
  async seeTo(tenantId: TenantId): Promise<void> {
    for (const each of await this.#services.activeQueues.ofTenant(tenantId)) {
      try {
        if ((await this.#look(each, 0)) === 'messages') await this.#services.doorbell.ring(tenantId, each.queue);
      } catch (error) {
        // An agent's own queue may have gone since it was used.
        if (!(error instanceof DependencyError && hasCode(error.cause, 'MessagingEntityNotFound'))) throw error;
      }
    }
  }

  /** Safe to repeat, and to run twice at once. */
  async run(): Promise<void> {
    const { activeQueues } = this.#services;
    for await (const queues of activeQueues.all()) {
      const gone: ActiveQueue[] = [];
      for (let at = 0; at < queues.length; at += atOnce) {
        await Promise.all(queues.slice(at, at + atOnce).map(async (each) => void ((await this.#isGone(each)) && gone.push(each))));
      }
      if (gone.length > 0) await activeQueues.leave(gone);
    }
  }

  /** Sees to one queue; true when it need not be looked at any more. One that cannot be read is looked at the next time. */
  async #isGone(active: ActiveQueue): Promise<boolean> {
    const { tenantId, queue, usedAt } = active;
    const isUnused = now() - usedAt > idleMs;
    try {
      const tenant = (await this.#services.tenantRecords.of(this.#services.platform.observe(tenantId)))?.status;
      if (tenant === undefined || tenant === 'erasing') return true;
      if (tenant === 'suspended') return false;
      const holds = await this.#look(active, lostMs);
      if (holds === 'messages') await this.#services.doorbell.ring(tenantId, queue);
      return holds === 'nothing' && isUnused && (await this.#removeMarker(active));
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('a queue could not be looked at', tenantId);
      // It may be there no more; whoever sends to it enters it anew.
      return isUnused;
    }
  }

  /** Calls for messages that were set aside and are overdue by so much: their own calls were lost. */
  async #look({ tenantId, queue }: ActiveQueue, graceMs: number): Promise<'nothing' | 'deferred' | 'messages'> {
    const reader = this.#services.bus.reader(this.#services.platform.observe(tenantId), queue);
    try {
      let from = '0';
      for (let page = 0; page < maxPages; page++) {
        const messages = await reader.peek({ from, limit: pageSize });
        for (const { sequenceNumber } of messages.filter(isOverdueBy(graceMs)))
          await this.#ground.ring({ kind: 'retry', tenantId, queue, sequenceNumber });
        const last = messages.at(-1);
        if (messages.some(({ deferred }) => !deferred)) return 'messages';
        if (!last) return page === 0 ? 'nothing' : 'deferred';
        from = String(BigInt(last.sequenceNumber) + 1n);
      }
      return 'messages';
    } finally {
      await reader.close();
    }
  }

  /** False when the marker is a young one: somebody is about to use the queue. */
  async #removeMarker({ tenantId, queue }: ActiveQueue): Promise<boolean> {
    const marker = await this.#ground.read(Markers, laneName({ tenantId, queue, lane: 0 }));
    if (!marker) return true;
    if (now() - Date.parse(marker.body.rungAt) < overdueMs) return false;
    return this.#ground.removeUnchanged(Markers, marker);
  }
}

function isOverdueBy(graceMs: number): (message: ReceivedMessage) => boolean {
  return ({ deferred, properties }) => deferred && !(Number(properties[dueProperty] ?? 0) + graceMs > now());
}
