// Requests that wait for their reply, which is an ordinary message with the request's correlation id and the request as its cause.
import { randomUUID } from 'node:crypto';
import type { Envelope } from '../shared/messaging/envelope.ts';

/** No reply came in time, or the agent stops. */
export class NoReplyError extends Error {
  override readonly name = 'NoReplyError';
}

interface Waiting {
  /** The request's id, as soon as it has one. */
  readonly messageId: Promise<string>;
  readonly reply: PromiseWithResolvers<Envelope>;
}

/** A reply that is ours to take, one that nobody waits for any more, or neither. */
export type Match = 'taken' | 'late' | 'none';

/** More at once are a fault of whoever asks. */
const most = 1_000;

export class Replies {
  readonly #agentId: string;
  /** This process among the replicas of the agent: they share its queue, so one may meet the other's replies. */
  readonly #replica = randomUUID().slice(0, 8);
  readonly #waiting = new Map<string, Waiting>();
  #stopped = false;

  constructor(agentId: string) {
    this.#agentId = agentId;
  }

  /** Sends by `send`, which is given a correlation id of this request alone, and waits. Throws a NoReplyError, or what `send` throws. */
  async ask(send: (correlationId: string) => Promise<string>, timeoutMs: number): Promise<Envelope> {
    if (this.#stopped) throw new NoReplyError('the agent stops');
    if (this.#waiting.size >= most) throw new NoReplyError(`${most} requests wait for their reply already`);
    const correlationId = `${this.#agentId}.${this.#replica}.${randomUUID()}`;
    const reply = Promise.withResolvers<Envelope>();
    const messageId = send(correlationId);
    this.#waiting.set(correlationId, { messageId, reply });
    const timer = setTimeout(() => reply.reject(new NoReplyError(`no reply within ${timeoutMs} ms`)), timeoutMs);
    try {
      const [envelope] = await Promise.all([reply.promise, messageId]);
      return envelope;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(correlationId);
    }
  }

  /** Whether a message is a reply to another replica of this agent. */
  isElsewhere(envelope: Envelope): boolean {
    const replica = this.#replicaOf(envelope);
    return replica !== undefined && replica !== this.#replica;
  }

  /** Whether a message is a reply to this replica, and takes it. */
  async match(envelope: Envelope): Promise<Match> {
    const { correlationId, causationId } = envelope;
    if (correlationId === undefined || this.#replicaOf(envelope) !== this.#replica) return 'none';
    const waiting = this.#waiting.get(correlationId);
    if (!waiting) return 'late';
    // The request may not have been answered yet when its reply is here; a request that was sent again has a reply to each, and one will do.
    const asked = await waiting.messageId.catch(() => undefined);
    if (asked !== causationId) return 'late';
    waiting.reply.resolve(envelope);
    return 'taken';
  }

  /** Which replica of this agent has asked for a message that is a reply. */
  #replicaOf({ correlationId, causationId }: Envelope): string | undefined {
    const [agentId, replica, id] = correlationId?.split('.') ?? [];
    return causationId !== undefined && agentId === this.#agentId && id !== undefined ? replica : undefined;
  }

  /** Nothing comes in any more, so nobody is left to wait. */
  stop(): void {
    this.#stopped = true;
    for (const { reply } of this.#waiting.values()) reply.reject(new NoReplyError('the agent stops'));
  }
}
