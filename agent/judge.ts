// What becomes of a message that arrived: verified, told from a replay, its payload fetched, handed to who waits for it or handles it.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import type { ServiceBusReceivedMessage } from '@azure/service-bus';
import { type Envelope, type EnvelopeRefusal, verifyEnvelope } from '../shared/messaging/envelope.ts';
import type { AgentEnvironment } from './environment.ts';
import type { KeyRing } from './key-ring.ts';
import type { Verdict } from './line.ts';
import type { Replies } from './replies.ts';

export interface Powers {
  readonly environment: AgentEnvironment;
  readonly keys: KeyRing;
  readonly replies: Replies;
  /** Learns the keys in force. */
  readonly learnKeys: () => Promise<void>;
  /** The envelope with its payload; undefined when what lies elsewhere is not what was signed. */
  readonly resolveClaim: (envelope: Envelope) => Promise<Envelope | undefined>;
  readonly handlerOf: (messageType: string) => ((envelope: Envelope) => Promise<void> | void) | undefined;
  readonly onProblem: (error: unknown) => void;
}

/** FlowGrid's queues give a message up behind so many deliveries. */
const maxDeliveries = 10;
/** How many message ids are remembered to tell a replay from a redelivery. */
const remembered = 10_000;
/** An unknown key id asks for the keys in force: so often, and no sooner after the last time. A rotation is known everywhere after two seconds. */
const learnTries = 3;
const learnEveryMs = 1_000;
/** A message that failed waits before it comes again, twice as long each time, with its place taken. */
const firstPauseMs = 25;
const longestPauseMs = 1_000;
/**
 * A reply to another replica is passed on, at first soon and then less and less often, and never in step with others: a broker that deals in turn would
 * deal each to the same replica again. After so long that replica is taken to be gone.
 */
const longestPassMs = 2_000;
const patienceMs = 30_000;

interface Seen {
  readonly sequenceNumber: string;
  readonly firstAt: number;
  /** How often it was passed on. */
  passes: number;
  /** Of the delivery that is being handled, or was handled well. */
  verdict?: Promise<Verdict>;
}

/** The message being handled: a handler that waits for a reply gives its place away, or sixteen that wait would keep their replies out. */
const place = new AsyncLocalStorage<() => void>();

/** Lets another message in while this one's handler waits. */
export function releasePlace(): void {
  place.getStore()?.();
}

export class MessageJudge {
  readonly #powers: Powers;
  readonly #seen = new Map<string, Seen>();
  readonly #stopping = new AbortController();
  #learnedAt = 0;

  constructor(powers: Powers) {
    this.#powers = powers;
  }

  /** Never rejects. */
  async judge(message: ServiceBusReceivedMessage, release: () => void): Promise<Verdict> {
    const delivery = (message.deliveryCount ?? 0) + 1;
    const verified = await this.#verify(message.body);
    if (!verified) return this.#stopping.signal.aborted ? 'pass-on' : this.#again(delivery);
    if ('refused' in verified) return this.#refuse(verified.refused, 'not a message to this agent that its tenant signed');
    const { envelope } = verified;
    const sequenceNumber = String(message.sequenceNumber);
    const seen = this.#seen.get(envelope.messageId) ?? this.#remember(envelope.messageId, sequenceNumber);
    if (seen.sequenceNumber !== sequenceNumber) return this.#refuse('replayed', 'its message id came before');
    // It came again because its settlement was lost: its handler runs, or has run.
    if (seen.verdict !== undefined) return seen.verdict;
    seen.verdict = this.#handle(envelope, seen, delivery, release);
    const verdict = await seen.verdict;
    if (verdict === 'abandon' || verdict === 'pass-on') delete seen.verdict;
    return verdict;
  }

  /** What waits before it comes again does not wait any longer. */
  stop(): void {
    this.#stopping.abort();
  }

  /** Undefined where FlowGrid cannot be asked for a key. */
  async #verify(body: unknown): Promise<{ envelope: Envelope } | { refused: EnvelopeRefusal } | undefined> {
    const { environment, keys, learnKeys, onProblem } = this.#powers;
    const check = () =>
      verifyEnvelope(body, { tenantId: environment.tenantId, recipient: environment.agentId, keys: keys.keys, now: Date.now() });
    let verified = check();
    for (let left = learnTries; left > 0 && 'refused' in verified && verified.refused === 'key_unknown'; left--) {
      await this.#pause(this.#learnedAt + learnEveryMs - Date.now());
      try {
        await learnKeys();
      } catch (error) {
        onProblem(error);
        return undefined;
      }
      this.#learnedAt = Date.now();
      verified = check();
    }
    return verified;
  }

  async #handle(received: Envelope, seen: Seen, delivery: number, release: () => void): Promise<Verdict> {
    const { resolveClaim, replies, handlerOf } = this.#powers;
    // Before any handler: its replica waits for it, whatever its type.
    if (replies.isElsewhere(received) && Date.now() - seen.firstAt < patienceMs) return this.#passOn(seen, release);
    try {
      const envelope = await resolveClaim(received);
      if (!envelope) return this.#refuse('signature_invalid', 'its payload is not the one that was signed');
      const match = await replies.match(envelope);
      if (match === 'taken') return 'complete';
      const handler = handlerOf(envelope.messageType);
      if (handler) {
        await place.run(release, async () => handler(envelope));
        return 'complete';
      }
      if (match === 'late') {
        this.#powers.onProblem(new Error(`a reply came too late: ${envelope.messageType}`));
        return 'complete';
      }
      return this.#refuse('no_handler', `no handler for ${envelope.messageType}`);
    } catch (error) {
      this.#powers.onProblem(error);
      // The end of this replica is no fault of the message, which may come back at once, and often.
      if (this.#stopping.signal.aborted) return 'pass-on';
      if (delivery >= maxDeliveries) return { refused: 'handler_failed', description: `failed ${delivery} times` };
      return this.#again(delivery);
    }
  }

  async #again(delivery: number): Promise<Verdict> {
    await this.#pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (delivery - 1)));
    return 'abandon';
  }

  /** Nobody's place is taken by what is only kept for a moment: there may be many, when their replica is gone. */
  async #passOn(seen: Seen, release: () => void): Promise<Verdict> {
    release();
    await this.#pause(Math.min(longestPassMs, firstPauseMs * 2 ** seen.passes) * (0.5 + Math.random()));
    seen.passes += 1;
    return 'pass-on';
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await wait(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }

  #refuse(reason: string, description: string): Verdict {
    this.#powers.onProblem(new Error(`a message was refused: ${reason}`));
    return { refused: reason, description };
  }

  #remember(messageId: string, sequenceNumber: string): Seen {
    const seen = { sequenceNumber, firstAt: Date.now(), passes: 0 };
    this.#seen.set(messageId, seen);
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > remembered && !oldest.done) this.#seen.delete(oldest.value);
    return seen;
  }
}
