// What a load has seen: what was accepted and arrived, and everything that was somewhere it may not be.
import { verifyEnvelope } from '../../shared/messaging/envelope.ts';
import type { House, Member } from './fleet.ts';

/** Enough to see what is wrong; the rest is counted. */
const shown = 20;

export interface Summary {
  readonly accepted: number;
  readonly arrived: number;
  readonly lost: number;
  /** Arrived again under the same id. */
  readonly repeated: number;
  readonly refusedSends: Readonly<Record<string, number>>;
  readonly attempts: number;
  readonly leaks: number;
  readonly leaksShown: readonly string[];
  /** Messages that arrived, per second of sending. */
  readonly perSecond: number;
  /** Jain's index over the tenants' messages that arrived while all were sending: 1 when all got the same. */
  readonly jain: number;
}

export class Findings {
  /** By message id: for whom. */
  readonly #accepted = new Map<string, Member>();
  readonly #arrived = new Map<string, number>();
  readonly #refusedSends: Record<string, number> = {};
  readonly #leaks: string[] = [];
  readonly #arrivedWhileSending = new Map<House, number>();
  #leakCount = 0;
  #attempts = 0;
  #sendingMs: number | undefined;
  #startedAt = performance.now();

  accepted(messageId: string, to: Member): void {
    this.#accepted.set(messageId, to);
  }

  refused(what: string): void {
    this.#refusedSends[what] = (this.#refusedSends[what] ?? 0) + 1;
  }

  attempted(): void {
    this.#attempts++;
  }

  sendingBegins(): void {
    this.#startedAt = performance.now();
  }

  sendingEnded(): void {
    this.#sendingMs = performance.now() - this.#startedAt;
  }

  leak(what: string): void {
    this.#leakCount++;
    if (this.#leaks.length < shown) this.#leaks.push(what);
  }

  /** Whether everything in this text is the house's own. */
  isOwn(house: House, where: string, text: string): boolean {
    const foreign = text.match(/canary-[a-z0-9-]+?-end/g)?.find((canary) => canary !== house.canary);
    if (foreign !== undefined) this.leak(`${where} of ${house.id} holds ${foreign}`);
    return foreign === undefined;
  }

  /** What came to a member by whatever way: its own, verified with its own key, and of its own tenant. */
  arrived(member: Member, body: unknown): boolean {
    const { house, agentId, key } = member;
    const who = `${house.id}/${agentId}`;
    const verified = verifyEnvelope(body, { tenantId: house.id, recipient: agentId, keys: [key], now: Date.now() });
    if ('refused' in verified) {
      this.leak(`${who} was given what it refuses: ${verified.refused}`);
      return false;
    }
    const { messageId } = verified.envelope;
    if (!this.isOwn(house, `a message for ${agentId}`, JSON.stringify(body))) return false;
    const times = (this.#arrived.get(messageId) ?? 0) + 1;
    this.#arrived.set(messageId, times);
    if (times === 1 && this.#sendingMs === undefined) this.#arrivedWhileSending.set(house, (this.#arrivedWhileSending.get(house) ?? 0) + 1);
    const recipient = this.#accepted.get(messageId);
    if (recipient && recipient !== member) this.leak(`${who} got a message for ${recipient.house.id}/${recipient.agentId}`);
    return true;
  }

  /** How many accepted messages have not arrived. */
  get missing(): number {
    return this.#accepted.keys().reduce((count, messageId) => count + (this.#arrived.has(messageId) ? 0 : 1), 0);
  }

  summary(houses: readonly House[]): Summary {
    const seconds = (this.#sendingMs ?? performance.now() - this.#startedAt) / 1_000;
    const perHouse = houses.map((house) => this.#arrivedWhileSending.get(house) ?? 0);
    return {
      accepted: this.#accepted.size,
      arrived: this.#arrived.size,
      lost: this.missing,
      repeated: this.#arrived.values().reduce((sum, times) => sum + times - 1, 0),
      refusedSends: this.#refusedSends,
      attempts: this.#attempts,
      leaks: this.#leakCount,
      leaksShown: this.#leaks,
      perSecond: perHouse.reduce((sum, count) => sum + count, 0) / seconds,
      jain: jain(perHouse),
    };
  }
}

/** Jain's fairness index: (Σx)² / (n Σx²). */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
