// Sending over Service Bus. A tenant's queue is named by the scope, never by the caller. Failures are DependencyErrors.
import type { ServiceBusClient, ServiceBusMessage, ServiceBusSender } from '@azure/service-bus';
import { LRUCache } from 'lru-cache';
import type { Config } from '../config/config.ts';
import { loadSdk } from '../config/load-sdk.ts';
import { DependencyError } from '../errors/problem.ts';
import type { PlatformScope, TenantScope } from '../scope/scope.ts';
import { type PlatformQueue, queueName, type TenantQueue } from './queue-names.ts';

/** A message as we put it on a queue; `body` is JSON. */
export interface OutgoingMessage {
  readonly messageId: string;
  readonly body: unknown;
  readonly correlationId?: string;
  readonly timeToLiveMs?: number;
  readonly traceparent?: string;
}

export class Bus {
  readonly #config: Config;
  #client: Promise<ServiceBusClient> | undefined;
  /** An open link each; the ones not used for longest are closed. */
  readonly #senders = new LRUCache<string, ServiceBusSender>({
    max: 1_000,
    dispose: (sender) => {
      sender.close().catch(() => undefined);
    },
  });

  constructor(config: Config) {
    this.#config = config;
  }

  /** Where agents connect: the namespace's address, `sb://host[:port]/`. */
  get endpoint(): string {
    const { transport } = this.#config;
    if (transport.kind === 'azure') return `sb://${transport.serviceBusNamespace}/`;
    const endpoint = /(?:^|;)Endpoint=([^;]+)/i.exec(transport.serviceBus)?.[1] ?? '';
    return endpoint.endsWith('/') ? endpoint : `${endpoint}/`;
  }

  async send(scope: TenantScope, queue: TenantQueue, message: OutgoingMessage): Promise<void> {
    await this.#send(queueName(scope.tenantId, queue), message);
  }

  async sendToPlatform(scope: PlatformScope, queue: PlatformQueue, message: OutgoingMessage): Promise<void> {
    scope.verify();
    await this.#send(queue, message);
  }

  /** Shows whether Service Bus answers at all, by opening a link to a queue that is always there. */
  async ping(): Promise<void> {
    const name: PlatformQueue = 'platform-provision';
    await this.#guard(name, async (sender) => {
      await sender.createMessageBatch();
    });
  }

  async close(): Promise<void> {
    this.#senders.clear();
    const client = await this.#client;
    await client?.close();
  }

  async #send(queue: string, message: OutgoingMessage): Promise<void> {
    const wire: ServiceBusMessage = {
      messageId: message.messageId,
      body: message.body,
      contentType: 'application/json',
      ...(message.correlationId !== undefined && { correlationId: message.correlationId }),
      ...(message.timeToLiveMs !== undefined && { timeToLive: message.timeToLiveMs }),
      ...(message.traceparent !== undefined && { applicationProperties: { traceparent: message.traceparent } }),
    };
    await this.#guard(queue, (sender) => sender.sendMessages(wire));
  }

  async #guard(queue: string, work: (sender: ServiceBusSender) => Promise<void>): Promise<void> {
    this.#client ??= this.#open();
    const client = await this.#client;
    let sender = this.#senders.get(queue);
    if (!sender || sender.isClosed) {
      sender = client.createSender(queue);
      this.#senders.set(queue, sender);
    }
    try {
      await work(sender);
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'no answer';
      throw new DependencyError('serviceBus', `Service Bus did not take the message (${code})`, { cause: error });
    }
  }

  async #open(): Promise<ServiceBusClient> {
    const { transport } = this.#config;
    const { RetryMode, ServiceBusClient } = await loadSdk(() => import('@azure/service-bus'));
    const options = {
      retryOptions: { maxRetries: 5, retryDelayInMs: 25, maxRetryDelayInMs: 1_000, timeoutInMs: 5_000, mode: RetryMode.Exponential },
    };
    if (transport.kind === 'insecure') return new ServiceBusClient(transport.serviceBus, options);
    const { ManagedIdentityCredential } = await loadSdk(() => import('@azure/identity'));
    return new ServiceBusClient(transport.serviceBusNamespace, new ManagedIdentityCredential(), options);
  }
}
