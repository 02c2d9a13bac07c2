// The way to a queue that the control plane drains itself: the message, and a ring that makes somebody look. Whatever puts a message on such a queue does it here.
import type { Bus, OutgoingMessage } from '../../bus/bus.ts';
import { queueName } from '../../bus/queue-names.ts';
import { newId, now } from '../../clock/clock.ts';
import { DependencyError } from '../../errors/problem.ts';
import type { TenantId } from '../../scope/ids.ts';
import { type PlatformScope, type TenantScope, tenantOf } from '../../scope/scope.ts';
import type { PlatformDocuments } from '../../storage/platform-documents.ts';
import { log } from '../../telemetry/log.ts';
import type { ActiveQueues } from './active-queues.ts';
import { type DrainedQueue, laneName } from './call.ts';
import type { Ground } from './ground.ts';
import { announce, Markers } from './markers.ts';
import { maxSlots, Pools, poolSize } from './slots.ts';

interface Services {
  readonly platformDocuments: PlatformDocuments;
  readonly bus: Bus;
  readonly platform: PlatformScope;
  readonly activeQueues: ActiveQueues;
}

/** The ground the product stands on. */
export function groundOf({ platformDocuments, bus, platform }: Omit<Services, 'activeQueues'>): Ground {
  return {
    recall: () => undefined,
    read: (kind, name) => platformDocuments.read(platform, kind, name),
    create: (kind, name, body) => platformDocuments.create(platform, kind, name, body),
    replace: (kind, stored, body) => platformDocuments.replace(platform, kind, stored, body),
    removeUnchanged: (kind, stored) => platformDocuments.removeUnchanged(platform, kind, stored),
    ring: (call, at) =>
      bus.sendToPlatform(platform, 'platform-dispatch', {
        messageId: newId(),
        body: call,
        ...(at !== undefined && { scheduledAt: at }),
      }),
    now,
    newId,
  };
}

export class Doorbell {
  readonly #services: Services;
  readonly #ground: Ground;
  /** By queue: the next look at its marker, which whoever comes before it begins may share. */
  readonly #next = new Map<string, Promise<void>>();
  readonly #last = new Map<string, Promise<void>>();

  constructor(services: Services) {
    this.#services = services;
    this.#ground = groundOf(services);
  }

  /** Resolves once the queue has the message, which somebody will look at: at once, or after the sweep's period where ringing failed. */
  async send(scope: TenantScope, queue: DrainedQueue, message: OutgoingMessage): Promise<void> {
    const tenantId = tenantOf(scope);
    await this.#services.activeQueues.enter(tenantId, queue);
    await this.#services.bus.send(scope, queue, message);
    await this.ring(tenantId, queue);
  }

  /** For a queue that somebody else drained until now: what waits there is looked at, at the latest by the sweep. Throws a DependencyError. */
  async takeOver(tenantId: TenantId, queue: DrainedQueue): Promise<void> {
    await this.#services.activeQueues.enter(tenantId, queue);
    await this.ring(tenantId, queue);
  }

  /** Has somebody look at what lies in the queue by now. */
  async ring(tenantId: TenantId, queue: DrainedQueue): Promise<void> {
    try {
      await this.#announce(tenantId, queue);
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('a queue could not be rung for; the sweep will find it', tenantId);
    }
  }

  /** Removes what is noted of a tenant that is erased. */
  async forget(tenantId: TenantId): Promise<void> {
    const { activeQueues, platformDocuments, platform } = this.#services;
    const active = await activeQueues.ofTenant(tenantId);
    const lanes = active.flatMap(({ queue }) => Array.from({ length: maxSlots }, (_, lane) => laneName({ tenantId, queue, lane })));
    const pools = Array.from({ length: maxSlots / poolSize }, (_, at) => `${tenantId}:${at}`);
    for (const lane of lanes) await platformDocuments.remove(platform, Markers, lane);
    for (const pool of pools) await platformDocuments.remove(platform, Pools, pool);
    if (active.length > 0) await activeQueues.leave(active);
  }

  /** A look that has begun may have been too early for a message that came since, so that one waits for the next. */
  #announce(tenantId: TenantId, queue: DrainedQueue): Promise<void> {
    const name = queueName(tenantId, queue);
    const known = this.#next.get(name);
    if (known !== undefined) return known;
    const next = this.#announceNext(name, this.#last.get(name), { tenantId, queue, lane: 0 });
    this.#next.set(name, next);
    const last = next
      .catch(() => undefined)
      .finally(() => {
        if (this.#last.get(name) === last) this.#last.delete(name);
      });
    this.#last.set(name, last);
    return next;
  }

  async #announceNext(name: string, before: Promise<void> | undefined, lane: Parameters<typeof announce>[1]): Promise<void> {
    await before;
    // Those that come in one turn of the event loop share a look.
    await Promise.resolve();
    this.#next.delete(name);
    await announce(this.#ground, lane);
  }
}
