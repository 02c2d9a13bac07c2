// One AMQP connection and the senders on it. Left alone the SDK (7.9.5) needs half a minute and more to recover from a connection that breaks while
// it sends; so a broken line fails at once and is replaced whole.
import type { EventEmitter } from 'node:events';
import type { ServiceBusClient, ServiceBusSender } from '@azure/service-bus';
import { LRUCache } from 'lru-cache';
import type { BusNamespace } from '../config/config.ts';
import { loadSdk } from '../config/load-sdk.ts';

export class BusLine {
  readonly #client: ServiceBusClient;
  readonly #end = Promise.withResolvers<never>();
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
    this.#end.promise.catch(() => undefined);
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
    await Promise.race([work(sender), this.#end.promise]);
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
      this.#end.reject(new Error('the connection to Service Bus was lost'));
    });
  }
}
