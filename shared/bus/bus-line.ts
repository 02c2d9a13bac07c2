// One AMQP connection, the senders on it and the receivers it lends. Left alone the SDK (7.9.5) needs half a minute and more to recover from a connection that breaks while
// it sends; so a broken line fails at once and is replaced whole.
import type { EventEmitter } from 'node:events';
import type { ServiceBusClient, ServiceBusReceiver, ServiceBusSender } from '@azure/service-bus';
import { LRUCache } from 'lru-cache';
import type { BusNamespace } from '../config/config.ts';
import { loadSdk } from '../config/load-sdk.ts';

export class BusLine {
  readonly #client: ServiceBusClient;
  /** Whoever waits for something on this line; a promise of the line's end would hold on to all who ever waited for it. */
  readonly #waiting = new Set<(lost: Error) => void>();
  /** An open link each; the ones not used for longest are closed. */
  readonly #senders = new LRUCache<string, ServiceBusSender>({
    max: 1_000,
    dispose: (sender) => {
      sender.close().catch(() => undefined);
    },
  });
  #watched: EventEmitter | undefined;
  #broken = false;

  constructor(client: ServiceBusClient) {
    this.#client = client;
  }

  static async open({ name, insecure }: BusNamespace): Promise<BusLine> {
    const { ServiceBusClient } = await loadSdk(() => import('@azure/service-bus'));
    // Trying again is ours: the SDK's tries would each wait for the same dead connection.
    const options = { retryOptions: { maxRetries: 0, timeoutInMs: 5_000 } };
    if (insecure) return new BusLine(new ServiceBusClient(insecure.connectionString, options));
    const { ManagedIdentityCredential } = await loadSdk(() => import('@azure/identity'));
    return new BusLine(new ServiceBusClient(name, new ManagedIdentityCredential(), options));
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** Works with the sender of a queue; rejects as soon as the connection is lost. */
  async use(queue: string, work: (sender: ServiceBusSender) => Promise<void>): Promise<void> {
    let sender = this.#senders.get(queue);
    if (!sender || sender.isClosed) {
      sender = this.#client.createSender(queue);
      this.#senders.set(queue, sender);
      this.#watch();
    }
    await this.within(work(sender));
  }

  /** A receiver of a queue, or of the queue's own dead letters; whoever asks for it closes it. It renews no lock by itself. */
  receiver(queue: string, ofDeadLetters: boolean): ServiceBusReceiver {
    const receiver = this.#client.createReceiver(queue, {
      maxAutoLockRenewalDurationInMs: 0,
      ...(ofDeadLetters && { subQueueType: 'deadLetter' }),
    });
    this.#watch();
    return receiver;
  }

  /** Rejects as soon as the connection is lost. */
  async within<T>(work: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.add(reject);
    work.then(resolve, reject);
    if (this.#broken) reject(lost());
    try {
      return await promise;
    } finally {
      this.#waiting.delete(reject);
    }
  }

  async hangUp(): Promise<void> {
    this.#senders.clear();
    await this.#client.close().catch(() => undefined);
  }

  /** No public member of the client tells the end of its connection. */
  #watch(): void {
    const connection = (this.#client as unknown as { _connectionContext?: { connection?: EventEmitter } })._connectionContext?.connection;
    if (!connection || this.#watched === connection) return;
    this.#watched = connection;
    connection.once('disconnected', () => {
      this.#broken = true;
      for (const reject of this.#waiting) reject(lost());
    });
  }
}

function lost(): Error {
  return new Error('the connection to Service Bus was lost');
}
