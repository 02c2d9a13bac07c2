// Receiving from one queue: messages are locked when they are asked for and not before, and each is settled by its reader. What a lost connection
// interrupts is done again over a new one, where the SDK settles by lock token. Failures are DependencyErrors.
import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';
import { dependencyRetry, retrying } from '../clock/retry.ts';
import { DependencyError } from '../errors/problem.ts';
import type { LentLine, ReaderLines } from './reader-lines.ts';
import { hasCode, isTransient } from './transient.ts';

/** A message as the queue gave or showed it. Instants are milliseconds since the epoch. */
export interface ReceivedMessage {
  readonly messageId: string;
  /** Parsed where it is JSON, else a Buffer. */
  readonly body: unknown;
  /** Decimal: it may have 64 bits. Rising in one queue; a message that is forwarded gets a new one there. */
  readonly sequenceNumber: string;
  /** Deliveries before this one; the broker starts anew when it forwards. */
  readonly deliveryCount: number;
  readonly enqueuedAt: number;
  /** 0 of a message that was only peeked at. */
  readonly lockedUntil: number;
  /** Why it is a dead letter, as whoever made it one said. */
  readonly reason?: string;
  readonly description?: string;
  readonly deferred: boolean;
  /** Application properties. */
  readonly properties: Readonly<Record<string, unknown>>;
  readonly correlationId?: string;
}

/**
 * Properties that go with a message we dead-letter. The broker overwrites its own reason when a dead letter expires once more, and counts
 * deliveries from zero when it forwards.
 */
export const deadLetterProperties = {
  reason: 'FlowGridReason',
  description: 'FlowGridDescription',
  deliveries: 'FlowGridDeliveries',
} as const;

/** A broker that answers at all answers in this time. */
const answerMs = 5_000;
/** How long more messages are waited for behind the first one. */
const togetherMs = 2;

interface Held {
  readonly lent: LentLine;
  readonly receiver: ServiceBusReceiver;
}

export class QueueReader {
  readonly #lines: () => Promise<ReaderLines>;
  readonly #queue: string;
  readonly #ofDeadLetters: boolean;
  readonly #locked = new WeakMap<ReceivedMessage, ServiceBusReceivedMessage>();
  #held: Promise<Held> | undefined;
  #settling: Promise<unknown> = Promise.resolve();

  constructor(lines: () => Promise<ReaderLines>, queue: string, ofDeadLetters: boolean) {
    this.#lines = lines;
    this.#queue = queue;
    this.#ofDeadLetters = ofDeadLetters;
  }

  /**
   * Locks up to `max` messages: as soon as there is one, with those that come at once. None after `waitMs`; in Azure a wait of some milliseconds may
   * find nothing in a queue that has something. One call at a time.
   */
  async receive(max: number, waitMs: number): Promise<ReceivedMessage[]> {
    // The second option is not in the typings of 7.9.5, where it falls back to a second.
    const patience = { maxWaitTimeInMs: Math.max(1, waitMs), maxTimeAfterFirstMessageInMs: togetherMs };
    const messages = await this.#do((receiver) => receiver.receiveMessages(max, patience), waitMs + answerMs);
    return messages.map((message) => this.#lockedAs(message));
  }

  /** Locks deferred messages; those that are not there any more, or not deferred, are left out. */
  async receiveDeferred(sequenceNumbers: readonly string[]): Promise<ReceivedMessage[]> {
    if (sequenceNumbers.length === 0) return [];
    // The service locks all or none.
    const all = await this.#deferred(sequenceNumbers);
    if (all || sequenceNumbers.length === 1) return all ?? [];
    const found: ReceivedMessage[] = [];
    for (const each of sequenceNumbers) found.push(...((await this.#deferred([each])) ?? []));
    return found;
  }

  /** Shows messages in the order of their sequence numbers without locking them, locked, deferred and scheduled ones too. At most 250. */
  async peek({ from = '0', limit }: { readonly from?: string; readonly limit: number }): Promise<ReceivedMessage[]> {
    const options = { fromSequenceNumber: asLong(from) };
    return (await this.#do((receiver) => receiver.peekMessages(Math.min(limit, 250), options))).map(received);
  }

  complete(message: ReceivedMessage): Promise<void> {
    return this.#settle(message, (receiver, locked) => receiver.completeMessage(locked));
  }

  /** Gives the message back to the queue at once. */
  abandon(message: ReceivedMessage): Promise<void> {
    return this.#settle(message, (receiver, locked) => receiver.abandonMessage(locked));
  }

  /** Leaves the message in the queue for whoever asks for it by its sequence number. `properties` are set on it. */
  defer(message: ReceivedMessage, properties?: Readonly<Record<string, string | number>>): Promise<void> {
    return this.#settle(message, (receiver, locked) => receiver.deferMessage(locked, properties));
  }

  deadLetter(message: ReceivedMessage, reason: string, description: string): Promise<void> {
    const options = {
      deadLetterReason: reason,
      deadLetterErrorDescription: description,
      [deadLetterProperties.reason]: reason,
      [deadLetterProperties.description]: description,
      [deadLetterProperties.deliveries]: message.deliveryCount + 1,
    };
    return this.#settle(message, (receiver, locked) => receiver.deadLetterMessage(locked, options));
  }

  /** Starts the lock's time anew; answers until when it lasts. */
  async renew(message: ReceivedMessage): Promise<number> {
    const locked = this.#lockOf(message);
    return (await this.#do((receiver) => receiver.renewMessageLock(locked))).getTime();
  }

  /** Messages that are still locked come again when their locks end. */
  async close(): Promise<void> {
    const held = this.#held;
    await this.#settling;
    this.#held = undefined;
    await held?.then(leave, () => undefined);
  }

  async #deferred(sequenceNumbers: readonly string[]): Promise<ReceivedMessage[] | undefined> {
    const numbers = sequenceNumbers.map(asLong);
    const messages = await this.#do((receiver) =>
      receiver.receiveDeferredMessages(numbers).catch((error: unknown) => {
        if (hasCode(error, 'MessageNotFound')) return undefined;
        throw error;
      }),
    );
    return messages?.map((message) => this.#lockedAs(message));
  }

  /** One after another: of two settlements at once on one link, AMQP's client (rhea 3.0.5) gives both the outcome of the first. */
  #settle(
    message: ReceivedMessage,
    work: (receiver: ServiceBusReceiver, locked: ServiceBusReceivedMessage) => Promise<void>,
  ): Promise<void> {
    const locked = this.#lockOf(message);
    const turn = this.#settling.then(() => this.#do((receiver) => work(receiver, locked)));
    this.#settling = turn.catch(() => undefined);
    return turn;
  }

  #lockOf(message: ReceivedMessage): ServiceBusReceivedMessage {
    const locked = this.#locked.get(message);
    if (!locked) throw new TypeError('this reader holds no lock on this message');
    return locked;
  }

  #lockedAs(message: ServiceBusReceivedMessage): ReceivedMessage {
    const shown = received(message);
    this.#locked.set(shown, message);
    return shown;
  }

  async #do<T>(work: (receiver: ServiceBusReceiver) => Promise<T>, withinMs = answerMs): Promise<T> {
    try {
      return await retrying(
        dependencyRetry,
        (error) => ({ again: isTransient(error) }),
        async () => {
          this.#held ??= this.#hold();
          const holding = this.#held;
          try {
            const held = await holding;
            return await within(withinMs, held.lent.line.within(work(held.receiver)));
          } catch (error) {
            // A link on which something went unanswered settles nothing any more.
            if (isTransient(error) && this.#held === holding) {
              this.#held = undefined;
              holding.then(leave).catch(() => undefined);
            }
            throw error;
          }
        },
      );
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      throw new DependencyError('serviceBus', 'Service Bus did not let a queue be read', { cause: error });
    }
  }

  async #hold(): Promise<Held> {
    const lines = await this.#lines();
    const lent = await lines.lend(this.#queue);
    return { lent, receiver: lent.line.receiver(this.#queue, this.#ofDeadLetters) };
  }
}

async function leave({ receiver, lent }: Held): Promise<void> {
  await within(answerMs, receiver.close()).catch(() => undefined);
  lent.giveBack();
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('Service Bus did not answer in time')), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function received(message: ServiceBusReceivedMessage): ReceivedMessage {
  const { messageId, body, sequenceNumber, deliveryCount, enqueuedTimeUtc, lockedUntilUtc, applicationProperties = {} } = message;
  const { deadLetterReason, deadLetterErrorDescription, state, correlationId } = message;
  return {
    messageId: String(messageId ?? ''),
    body,
    sequenceNumber: sequenceNumber?.toString() ?? '0',
    deliveryCount: deliveryCount ?? 0,
    enqueuedAt: enqueuedTimeUtc?.getTime() ?? 0,
    lockedUntil: lockedUntilUtc?.getTime() ?? 0,
    deferred: state === 'deferred',
    properties: applicationProperties,
    ...(deadLetterReason !== undefined && { reason: deadLetterReason }),
    ...(deadLetterErrorDescription !== undefined && { description: deadLetterErrorDescription }),
    ...(correlationId !== undefined && { correlationId: String(correlationId) }),
  };
}

type Long = NonNullable<ServiceBusReceivedMessage['sequenceNumber']>;

/** What the SDK asks of a sequence number it sends: to be known as a Long, and its bytes. The package that makes Longs is not one of ours. */
function asLong(sequenceNumber: string): Long {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(sequenceNumber));
  return { __isLong__: true, toBytesBE: () => [...bytes] } as unknown as Long;
}
