// One connection to the agent's queue: messages come in, each is settled once, and what is under way is finished before the line is hung up.
import type { EventEmitter } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { ServiceBusClient, type ServiceBusReceivedMessage, type ServiceBusReceiver } from '@azure/service-bus';

/** What opens the line: a connection string, and the queue's name. */
export interface Access {
  readonly connectionString: string;
  readonly queue: string;
}

/** What becomes of a message: done, to come again, for another listener and so not counted as a delivery, or refused with a coded reason. */
export type Verdict = 'complete' | 'abandon' | 'pass-on' | { readonly refused: string; readonly description: string };

/** Judges a message. `release` gives its place to the next one before it is judged: the broker shows only so many at once. */
export type Judge = (message: ServiceBusReceivedMessage, release: () => void) => Promise<Verdict>;

interface Listeners {
  readonly judge: Judge;
  readonly onProblem: (error: unknown) => void;
  /** This line takes and settles nothing any more: the messages on it come again when their locks end. */
  readonly onLost: (error: unknown) => void;
}

const concurrency = 16;
/** A broker that answers at all answers a settlement in this time. */
const settleMs = 5_000;
/** Trying again is ours: the SDK (7.9.5) tries on a connection that is dead, half a minute apart. */
const retryOptions = { maxRetries: 0, timeoutInMs: settleMs };

export class Line {
  readonly #client: ServiceBusClient;
  readonly #receiver: ServiceBusReceiver;
  readonly #listeners: Listeners;
  readonly #running = new Set<Promise<void>>();
  readonly #subscription: { close(): Promise<void> };
  readonly #end = Promise.withResolvers<never>();
  #settling: Promise<void> = Promise.resolve();
  #leaving = false;
  #lost = false;

  /** Listens at once. */
  constructor(access: Access, listeners: Listeners) {
    this.#listeners = listeners;
    this.#end.promise.catch(() => undefined);
    this.#client = new ServiceBusClient(access.connectionString, { retryOptions });
    this.#receiver = this.#client.createReceiver(access.queue);
    this.#subscription = this.#receiver.subscribe(
      {
        processMessage: (message) => this.#receive(message),
        // Of all that may fail, only receiving itself ends the line.
        processError: async ({ error, errorSource }) => (errorSource === 'receive' ? this.#lose(error) : listeners.onProblem(error)),
      },
      { autoCompleteMessages: false, maxConcurrentCalls: concurrency },
    );
    this.#watch();
  }

  /** Takes no more, finishes what is under way, and closes the connection. Of a line that was lost nothing is waited for. */
  async hangUp(): Promise<void> {
    this.#leaving = true;
    if (this.#lost) return void this.#close().catch(() => undefined);
    await Promise.race([this.#subscription.close(), this.#end.promise]);
    await Promise.all(this.#running);
    // The end of the connection is what is wanted now.
    await Promise.race([this.#close(), this.#end.promise]).catch(() => undefined);
  }

  async #close(): Promise<void> {
    await this.#receiver.close();
    await this.#client.close();
  }

  /** Ends when the message may make room for the next one. */
  #receive(message: ServiceBusReceivedMessage): Promise<void> {
    const place = Promise.withResolvers<void>();
    const work = this.#listeners
      .judge(message, place.resolve)
      .then((verdict) => this.#settle(message, verdict))
      .catch((error: unknown) => this.#lose(error))
      .finally(() => {
        this.#running.delete(work);
        place.resolve();
      });
    this.#running.add(work);
    return place.promise;
  }

  /** One after another: of two settlements at once on one link, AMQP's client (rhea 3.0.5) gives both the outcome of the first. */
  #settle(message: ServiceBusReceivedMessage, verdict: Verdict): Promise<void> {
    const turn = this.#settling.then(() => {
      if (this.#lost) throw new Error('the line was lost before the message was settled');
      return Promise.race([this.#send(message, verdict), this.#late(), this.#end.promise]);
    });
    this.#settling = turn.catch(() => undefined);
    return turn;
  }

  #send(message: ServiceBusReceivedMessage, verdict: Verdict): Promise<void> {
    if (verdict === 'complete') return this.#receiver.completeMessage(message);
    if (verdict === 'abandon') return this.#receiver.abandonMessage(message);
    if (verdict === 'pass-on') return this.#receiver.abandonMessage(released(message));
    const { refused, description } = verdict;
    return this.#receiver.deadLetterMessage(message, {
      deadLetterReason: refused,
      deadLetterErrorDescription: description,
      // The broker overwrites its own when a dead letter expires once more. FlowGrid reads these (shared/bus/queue-reader.ts, which an agent does not bring along).
      FlowGridReason: refused,
      FlowGridDescription: description,
      FlowGridDeliveries: (message.deliveryCount ?? 0) + 1,
    });
  }

  /** A settlement that was refused is repeated by the SDK on a delivery that is over, and waits for nothing: so it is not waited for. */
  async #late(): Promise<never> {
    await wait(settleMs, undefined, { ref: false });
    throw new Error('a settlement was not answered');
  }

  /** No public member of the client tells the end of its connection. */
  #watch(): void {
    const context = (this.#client as unknown as { _connectionContext?: { connection?: EventEmitter } })._connectionContext;
    context?.connection?.once('disconnected', () => {
      if (!this.#leaving) this.#lose(new Error('the connection to Service Bus was lost'));
      else this.#end.reject(new Error('the connection to Service Bus was lost'));
    });
  }

  #lose(error: unknown): void {
    if (this.#lost) return;
    this.#lost = true;
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#end.reject(reason);
    this.#listeners.onLost(reason);
  }
}

/**
 * The SDK (7.9.5) abandons with AMQP's `modified`, which counts a delivery, and has no word for `released`, which counts none. Its other steps are the
 * same, so one outcome is put in the other's place. Were its members called otherwise, the message would be abandoned.
 */
function released(message: ServiceBusReceivedMessage): ServiceBusReceivedMessage {
  // The class behind the interface has the delivery of the AMQP client (rhea 3.0.5).
  const { delivery } = message as unknown as { readonly delivery?: { modified(): void; release?(): void } };
  if (delivery?.release) delivery.modified = () => delivery.release?.();
  return message;
}
