// The chain of an agent's health checks: a message on `platform-dispatch` that comes when the next check is due, and the state that says which message that
// is. Whatever comes beside it (a copy, a message of a chain that was given up) finds another state and ends there, so an agent has one chain.
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import type { Bus } from '../bus/bus.ts';
import { iso, newId, now } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import { AgentId, TenantId } from '../scope/ids.ts';
import { type PlatformScope, type TenantScope, tenantOf } from '../scope/scope.ts';
import { create, type DocumentKind, remove, replace, type Stored } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import { log } from '../telemetry/log.ts';

/** `unknown` until the first check has ended. `detail` says why an agent is not healthy; nothing of what it answered. */
export const Health = z
  .strictObject({
    status: z.enum(['unknown', 'healthy', 'unhealthy']),
    checkedAt: z.iso.datetime().optional(),
    detail: z.string().optional(),
  })
  .meta({ id: 'AgentHealth' });
export type Health = z.infer<typeof Health>;

const State = z.strictObject({
  chain: z.uuid(),
  /** The turn whose message has not come yet. */
  turn: z.int(),
  dueAt: z.iso.datetime(),
  /** When the turn before this one was taken, and whether this one's message is known to be sent. */
  takenAt: z.iso.datetime(),
  isSent: z.boolean(),
  /** The agent ran no more; it begins anew when it runs again. */
  hasEnded: z.boolean(),
  health: Health,
});
type State = z.infer<typeof State>;

const States: DocumentKind<State> = { container: 'work', bucket: 'health', type: 'agent-health', schema: State };
const keptSeconds = 86_400;

/** One message of the chain. */
export const HealthTurn = z.strictObject({
  kind: z.literal('health'),
  tenantId: TenantId,
  agentId: AgentId,
  chain: z.uuid(),
  turn: z.int().min(0),
});
export type HealthTurn = z.infer<typeof HealthTurn>;

/** A message that is so late was lost; the agent's next sign of life begins a new chain. */
const lostMs = 60_000;
/** Who took a turn this long ago and has not said that it sent the next one has died. Longer than a check takes, shorter than a message's lock. */
const diedMs = 20_000;
/** What is known of an agent's health is read again after this. */
const freshMs = 1_000;

interface Services {
  readonly store: TenantStore;
  readonly bus: Bus;
  readonly platform: PlatformScope;
}

export class HealthChain {
  readonly #services: Services;
  /** Until when a chain is known to go on by itself, by tenant and agent. */
  readonly #goesOn = new LRUCache<string, number>({ max: 20_000 });
  readonly #known = new LRUCache<string, { readonly at: number; readonly health: Health }>({ max: 20_000 });

  constructor(services: Services) {
    this.#services = services;
  }

  /** As `begin`, for signs of life: those that come before the next turn is due ask nobody. */
  async goOn(scope: TenantScope, agentId: AgentId): Promise<void> {
    if ((this.#goesOn.get(nameOf(scope, agentId)) ?? 0) <= now()) await this.begin(scope, agentId);
  }

  /** Sees to it that an agent that runs, and has an address to be asked at, has its chain. Its registration stands also where this fails. */
  async begin(scope: TenantScope, agentId: AgentId): Promise<void> {
    const name = nameOf(scope, agentId);
    try {
      const partition = this.#services.store.of(scope);
      const stored = await partition.read(States, agentId);
      if (stored && !stored.body.hasEnded && Date.parse(stored.body.dueAt) + lostMs > now()) {
        this.#goesOn.set(name, Date.parse(stored.body.dueAt));
        return;
      }
      const at = iso();
      const health = stored?.body.health ?? { status: 'unknown' };
      const state: State = { chain: newId(), turn: 0, dueAt: at, takenAt: at, isSent: true, hasEnded: false, health };
      const change = stored ? replace(States, stored, state, keptSeconds) : create(States, agentId, state, keptSeconds);
      // Of two that begin at once one does.
      if ((await partition.commit([change])).done) await this.#send(scope, agentId, state);
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
      log.warn('health checks could not be begun', scope.tenantId, { agentId });
    }
  }

  /**
   * Takes the turn that a message brings, and sends the next one. Undefined when the message is not the one that is due. `next`: when the agent is to
   * be looked at again (milliseconds from now), undefined when it does not run, null when it is none any more.
   */
  async take(
    scope: TenantScope,
    { agentId, chain, turn }: HealthTurn,
    next: () => Promise<number | undefined | null>,
  ): Promise<State | undefined> {
    const partition = this.#services.store.of(scope);
    const stored = await partition.read(States, agentId);
    if (stored?.body.chain !== chain || stored.body.hasEnded) return undefined;
    const { body } = stored;
    if (body.turn !== turn) {
      if (body.turn === turn + 1 && !body.isSent && now() - Date.parse(body.takenAt) > diedMs)
        await this.#sendAgain(scope, agentId, stored);
      return undefined;
    }
    const afterMs = await next();
    if (afterMs === null || afterMs === undefined) {
      const change =
        afterMs === null ? remove(States, agentId, stored.etag) : replace(States, stored, { ...body, hasEnded: true }, keptSeconds);
      await partition.commit([change]);
      this.#goesOn.delete(nameOf(scope, agentId));
      return undefined;
    }
    const at = now();
    const taken: State = { ...body, turn: turn + 1, takenAt: iso(at), dueAt: iso(at + afterMs), isSent: false };
    if (!(await partition.commit([replace(States, stored, taken, keptSeconds)])).done) return undefined;
    await this.#send(scope, agentId, taken);
    return taken;
  }

  /** Notes that the turn's successor was sent, and what the check has shown if there was one. */
  async note(scope: TenantScope, agentId: AgentId, taken: State, health: Health | undefined): Promise<void> {
    const partition = this.#services.store.of(scope);
    const stored = await partition.read(States, agentId);
    if (stored?.body.chain !== taken.chain || stored.body.turn !== taken.turn) return;
    await partition.commit([replace(States, stored, { ...stored.body, isSent: true, ...(health && { health }) }, keptSeconds)]);
    if (health) this.#known.set(nameOf(scope, agentId), { at: now(), health });
  }

  /** With the agent goes what is known of its health; where this fails, its next turn takes it away. */
  async forget(scope: TenantScope, agentId: AgentId): Promise<void> {
    const name = nameOf(scope, agentId);
    this.#goesOn.delete(name);
    this.#known.delete(name);
    try {
      await this.#services.store.of(scope).commit([remove(States, agentId)]);
    } catch (error) {
      if (!(error instanceof DependencyError)) throw error;
    }
  }

  /** Less than a second old. */
  async of(scope: TenantScope, agentId: AgentId): Promise<Health> {
    const name = nameOf(scope, agentId);
    const known = this.#known.get(name);
    if (known && now() - known.at < freshMs) return known.health;
    const at = now();
    const health = (await this.#services.store.of(scope).read(States, agentId))?.body.health ?? { status: 'unknown' };
    this.#known.set(name, { at, health });
    return health;
  }

  async #sendAgain(scope: TenantScope, agentId: AgentId, stored: Stored<State>): Promise<void> {
    await this.#send(scope, agentId, stored.body);
    await this.#services.store.of(scope).commit([replace(States, stored, { ...stored.body, isSent: true }, keptSeconds)]);
  }

  async #send(scope: TenantScope, agentId: AgentId, { chain, turn, dueAt }: State): Promise<void> {
    const { bus, platform } = this.#services;
    const scheduledAt = Date.parse(dueAt);
    const body: HealthTurn = { kind: 'health', tenantId: tenantOf(scope), agentId, chain, turn };
    const message = { messageId: `${chain}-${turn}`, body };
    await bus.sendToPlatform(platform, 'platform-dispatch', scheduledAt > now() ? { ...message, scheduledAt } : message);
    this.#goesOn.set(nameOf(scope, agentId), scheduledAt);
  }
}

function nameOf(scope: TenantScope, agentId: AgentId): string {
  return `${tenantOf(scope)} ${agentId}`;
}
