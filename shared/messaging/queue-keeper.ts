// Brings an agent's own queue to what its registration says: made and open, or closed for sending, looked at again, and removed once it is empty. Messages on
// `platform-provision` ask for that and may be lost, come twice or overtake each other; one worker at a time is at a queue. Runs where the identity may
// make queues (architecture 6).
import type { BusAdministration } from '../bus/bus-administration.ts';
import { iso, newId, now } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import type { AgentId } from '../scope/ids.ts';
import type { TenantScope } from '../scope/scope.ts';
import { create, remove, replace, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Vault } from '../vault/vault.ts';
import type { AgentQueues } from './agent-queues.ts';
import { isReady, listenSecret, type QueueRecord, QueueRecords } from './queue-record.ts';

/** Longer than any work at a queue takes; as long as one stays untouched whose worker died. */
const holdMs = 60_000;
/** Whoever finds a queue held comes again after this. */
const againMs = 1_000;
/** A hold that is older belongs to a worker in trouble. */
const youngMs = 5_000;
/** A queue that does not become empty is looked at less and less often, down to this. Its messages end within 24 hours. */
const seldomMs = 60 * 60_000;

/** What the worker asks, anew each time. */
export interface Wishes {
  /** Whether an agent is registered that has this queue. */
  readonly isWanted: () => Promise<boolean>;
  /** Whether that agent listens at it, and is not pushed to. */
  readonly isListenedAt: () => Promise<boolean>;
  /** A suspended tenant's queues are closed altogether. */
  readonly isSuspended: () => Promise<boolean>;
}

interface Services {
  readonly store: TenantStore;
  readonly vault: Vault;
  readonly busAdministration: BusAdministration;
  readonly queues: AgentQueues;
  readonly graceMs: number;
}

/** A queue in work: each change of its record is made under the tag of the one before, so that a worker that was too slow cannot write. */
class Work {
  readonly scope: TenantScope;
  readonly agentId: AgentId;
  readonly wishes: Wishes;
  stored: Stored<QueueRecord>;

  constructor(scope: TenantScope, agentId: AgentId, wishes: Wishes, stored: Stored<QueueRecord>) {
    this.scope = scope;
    this.agentId = agentId;
    this.wishes = wishes;
    this.stored = stored;
  }

  get queue(): { agent: AgentId } {
    return { agent: this.agentId };
  }
}

export class QueueKeeper {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /** Safe to repeat, at any time and in several processes at once. Throws what a dependency throws; the message then comes again. */
  async settle(scope: TenantScope, agentId: AgentId, wishes: Wishes): Promise<void> {
    const partition = this.#services.store.of(scope);
    const stored = await partition.read(QueueRecords, agentId);
    const wanted = await wishes.isWanted();
    if (wanted ? stored && isReady(stored.body, await wishes.isListenedAt()) : !stored || isLookedAtLater(stored.body)) return;

    const hold = { by: newId(), until: iso(now() + holdMs) };
    if (stored?.body.hold && Date.parse(stored.body.hold.until) > now())
      return this.#comeAgain(scope, agentId, Date.parse(stored.body.hold.until));
    const change = stored ? replace(QueueRecords, stored, { ...stored.body, hold }) : create(QueueRecords, agentId, { hold });
    const taken = (await partition.commit([change])).done ? await partition.read(QueueRecords, agentId) : undefined;
    if (taken?.body.hold?.by !== hold.by) return this.#comeAgain(scope, agentId, now() + holdMs);

    const work = new Work(scope, agentId, wishes, taken);
    try {
      if (await wishes.isWanted()) await this.#open(work);
      else await this.#close(work);
    } catch (error) {
      // What failed may be tried again at once.
      await this.#write(work, {}).catch(() => undefined);
      throw error;
    }
  }

  /** Soon, while whoever holds the queue is likely to be done soon; else when the hold ends. */
  #comeAgain(scope: TenantScope, agentId: AgentId, heldUntil: number): Promise<void> {
    const isYoung = heldUntil - now() > holdMs - youngMs;
    return this.#services.queues.look(scope, agentId, isYoung ? now() + againMs : heldUntil);
  }

  /** The record says that the queue is ready when it is, not before. */
  async #open(work: Work): Promise<void> {
    const { busAdministration } = this.#services;
    const { scope, queue, wishes } = work;
    const { key, status } = await busAdministration.ensureAgentQueue(scope, queue, await wishes.isListenedAt());
    const listenKey = key && (await this.#keep(work, key));
    const wanted = (await work.wishes.isSuspended()) ? 'Disabled' : 'Active';
    if (status !== wanted) await busAdministration.setStatus(scope, queue, wanted);
    await this.#write(work, { readyAt: work.stored.body.readyAt ?? iso(), closedAt: undefined, lookAt: undefined, listenKey });
    await this.#heedSuspension(work);
  }

  /** Where the listen key is kept. */
  async #keep({ scope, agentId, stored }: Work, key: string): Promise<string> {
    const { vault } = this.#services;
    const known = stored.body.listenKey;
    const isKnown = known !== undefined && (await vault.readSecret(scope, 'msg', listenSecret(agentId), known)) === key;
    return isKnown ? known : vault.writeSecret(scope, 'msg', listenSecret(agentId), key);
  }

  async #close(work: Work): Promise<void> {
    const { busAdministration, graceMs } = this.#services;
    const { scope, queue } = work;
    const isNew = work.stored.body.closedAt === undefined;
    if (isNew) {
      await this.#write(work, { closedAt: iso(), hold: work.stored.body.hold });
      // An agent that registered before this has been told that its queue is ready, and is seen here; one that registers from now on asks for it.
      if (await work.wishes.isWanted()) return this.#open(work);
    }
    const found = await busAdministration.look(scope, queue);
    if (!found) return this.#forget(work);
    const isOpen = found.status === 'Active' || found.status === 'ReceiveDisabled';
    if (isOpen) {
      await busAdministration.setStatus(scope, queue, 'SendDisabled');
      await this.#heedSuspension(work);
    }
    // What was under way when it was closed has arrived by the next look.
    if (isOpen || isNew || found.messages > 0) return this.#lookLater(work, isOpen ? graceMs : Math.max(graceMs, closedFor(work)));
    if (Date.parse(work.stored.body.hold?.until ?? '') - now() < holdMs / 2)
      throw new DependencyError('serviceBus', 'a queue was held too long');
    await busAdministration.deleteQueue(scope, queue);
    await this.#forget(work);
  }

  /** Asked for first: a look too many does no harm. */
  async #lookLater(work: Work, inMs: number): Promise<void> {
    const at = now() + Math.min(inMs, seldomMs);
    await this.#services.queues.look(work.scope, work.agentId, at);
    await this.#write(work, { lookAt: iso(at) });
  }

  /** Key Vault keeps the name of a deleted secret for weeks, and the agent may come back: so its key, which opens nothing any more, is put out of use. */
  async #forget({ scope, agentId, stored }: Work): Promise<void> {
    const { vault, store } = this.#services;
    const { listenKey } = stored.body;
    if (listenKey !== undefined) await vault.disableSecret(scope, 'msg', listenSecret(agentId), listenKey);
    await store.of(scope).commit([remove(QueueRecords, agentId, stored.etag)]);
  }

  /** Behind what was set: a suspension that has not seen this queue, or was overtaken, is seen here. */
  async #heedSuspension({ scope, queue, wishes }: Work): Promise<void> {
    if (await wishes.isSuspended()) await this.#services.busAdministration.setStatus(scope, queue, 'Disabled');
  }

  /** Changes the record and lets go of the queue, unless `hold` is named. */
  async #write(work: Work, change: Partial<QueueRecord>): Promise<void> {
    const partition = this.#services.store.of(work.scope);
    const { hold: _, ...body } = work.stored.body;
    const { done } = await partition.commit([replace(QueueRecords, work.stored, { ...body, ...change })]);
    const stored = done ? await partition.read(QueueRecords, work.agentId) : undefined;
    if (!stored) throw new DependencyError('cosmos', 'somebody else is at this queue');
    work.stored = stored;
  }
}

function isLookedAtLater({ closedAt, lookAt }: QueueRecord): boolean {
  return closedAt !== undefined && lookAt !== undefined && Date.parse(lookAt) > now() + againMs;
}

function closedFor({ stored }: Work): number {
  return now() - Date.parse(stored.body.closedAt ?? iso());
}
