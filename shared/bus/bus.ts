// Sending over Service Bus. A tenant's queue is named by the scope, never by the caller. Failures are DependencyErrors.
import type { ServiceBusMessage, ServiceBusSender } from '@azure/service-bus';
import { dependencyRetry, retrying } from '../clock/retry.ts';
import type { Config } from '../config/config.ts';
import { DependencyError } from '../errors/problem.ts';
import { type PlatformScope, type TenantScope, tenantOf, verifyPlatform } from '../scope/scope.ts';
import { BusLine } from './bus-line.ts';
import { type PlatformQueue, queueName, type TenantQueue } from './queue-names.ts';

/** A message as we put it on a queue; `body` is JSON. */
export interface OutgoingMessage {
  readonly messageId: string;
  readonly body: unknown;
  readonly correlationId?: string;
  readonly timeToLiveMs?: number;
  readonly traceparent?: string;
  /** Nobody sees it before this instant, in milliseconds. */
  readonly scheduledAt?: number;
  /** Application properties: what the control plane tells itself beside the body. */
  readonly properties?: Readonly<Record<string, string>>;
}

export class Bus {
  readonly #config: Config;
  #line: Promise<BusLine> | undefined;

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

  /** Resolves once the queue has the message. Under lost answers it may have it twice, with the same message id. */
  async send(scope: TenantScope, queue: TenantQueue, message: OutgoingMessage): Promise<void> {
    await this.#send(queueName(tenantOf(scope), queue), message);
  }

  async sendToPlatform(scope: PlatformScope, queue: PlatformQueue, message: OutgoingMessage): Promise<void> {
    verifyPlatform(scope);
    await this.#send(queue, message);
  }

  /** Shows whether Service Bus answers at all, by opening a link to a queue that is always there. */
  async ping(): Promise<void> {
    const name: PlatformQueue = 'platform-provision';
    await this.#use(name, async (sender) => {
      await sender.createMessageBatch();
    });
  }

  async close(): Promise<void> {
    const line = await this.#line?.catch(() => undefined);
    await line?.hangUp();
  }

  async #send(queue: string, message: OutgoingMessage): Promise<void> {
    const wire: ServiceBusMessage = {
      messageId: message.messageId,
      body: message.body,
      contentType: 'application/json',
      ...(message.correlationId !== undefined && { correlationId: message.correlationId }),
      ...(message.timeToLiveMs !== undefined && { timeToLive: message.timeToLiveMs }),
      ...(message.scheduledAt !== undefined && { scheduledEnqueueTimeUtc: new Date(message.scheduledAt) }),
      applicationProperties: { ...message.properties, ...(message.traceparent !== undefined && { traceparent: message.traceparent }) },
    };
    await this.#use(queue, (sender) => sender.sendMessages(wire));
  }

  async #use(queue: string, work: (sender: ServiceBusSender) => Promise<void>): Promise<void> {
    try {
      await retrying(
        dependencyRetry,
        (error) => ({ again: isTransient(error) }),
        async () => {
          const line = await this.#open();
          try {
            await line.use(queue, work);
          } catch (error) {
            if (isTransient(error)) this.#leave(line);
            throw error;
          }
        },
      );
    } catch (error) {
      if (!isTransient(error)) throw error;
      throw new DependencyError('serviceBus', 'Service Bus did not take the message', { cause: error });
    }
  }

  async #open(): Promise<BusLine> {
    this.#line ??= BusLine.open(this.#config);
    const line = await this.#line;
    if (!line.broken) return line;
    this.#line = BusLine.open(this.#config);
    return this.#line;
  }

  /** A line that is broken is replaced by whoever comes next; one that merely refused stays. */
  #leave(line: BusLine): void {
    if (line.broken) void line.hangUp();
  }
}

/** What trying again may cure. The SDK says so of its own errors; anything without a word on it is a connection that went. */
function isTransient(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return false;
  if (typeof error === 'object' && error !== null && 'retryable' in error) return error.retryable === true;
  return true;
}
