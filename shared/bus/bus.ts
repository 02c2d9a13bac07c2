// Sending over Service Bus. A tenant's queue is named by the scope, never by the caller. Failures are DependencyErrors.
import type { ServiceBusMessage, ServiceBusSender } from '@azure/service-bus';
import { turn } from '../clock/clock.ts';
import { dependencyRetry, retrying } from '../clock/retry.ts';
import type { BusNamespace } from '../config/config.ts';
import { DependencyError } from '../errors/problem.ts';
import { type CandidateScope, claimedBy, type PlatformScope, type TenantScope, tenantOf, verifyPlatform } from '../scope/scope.ts';
import { BusLine } from './bus-line.ts';
import type { Namespaces } from './namespaces.ts';
import { type PlatformQueue, queueName, type TenantQueue } from './queue-names.ts';
import { QueueReader } from './queue-reader.ts';
import { ReaderLines } from './reader-lines.ts';
import { hasCode, isTransient } from './transient.ts';

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
  readonly #namespaces: Namespaces;
  readonly #lines = new Map<BusNamespace, Promise<BusLine>>();
  readonly #readers = new Map<BusNamespace, ReaderLines>();

  constructor(namespaces: Namespaces) {
    this.#namespaces = namespaces;
  }

  /** Where the tenant's agents connect: its namespace's address, `sb://host[:port]/`. */
  async endpoint(scope: TenantScope): Promise<string> {
    const { name, insecure } = await this.#namespaces.of(scope);
    if (!insecure) return `sb://${name}/`;
    const endpoint = /(?:^|;)Endpoint=([^;]+)/i.exec(insecure.connectionString)?.[1] ?? '';
    return endpoint.endsWith('/') ? endpoint : `${endpoint}/`;
  }

  /** Resolves once the queue has the message. Under lost answers it may have it twice, with the same message id. */
  async send(scope: TenantScope, queue: TenantQueue, message: OutgoingMessage): Promise<void> {
    const name = queueName(tenantOf(scope), queue);
    await this.#send(await this.#namespaces.of(scope), name, message);
  }

  async sendToPlatform(scope: PlatformScope, queue: PlatformQueue, message: OutgoingMessage): Promise<void> {
    verifyPlatform(scope);
    await this.#send(this.#namespaces.home, queue, message);
  }

  /** A reader of one queue of the tenant; `ofDeadLetters` reads what the queue itself could not deliver. Nothing is opened before it is used. */
  reader(scope: CandidateScope | TenantScope, queue: TenantQueue, { ofDeadLetters = false } = {}): QueueReader {
    const name = queueName(claimedBy(scope), queue);
    return new QueueReader(async () => this.#readerLines(await this.#namespaces.of(scope)), name, ofDeadLetters);
  }

  /** Shows whether Service Bus answers at all, by opening a link to a queue that is always there. */
  async ping(): Promise<void> {
    const name: PlatformQueue = 'platform-provision';
    await this.#use(this.#namespaces.home, name, async (sender) => {
      await sender.createMessageBatch();
    });
  }

  async close(): Promise<void> {
    const lines = await Promise.allSettled(this.#lines.values());
    await Promise.all(lines.map((line) => line.status === 'fulfilled' && line.value.hangUp()));
    await Promise.all([...this.#readers.values()].map((each) => each.close()));
  }

  #readerLines(namespace: BusNamespace): ReaderLines {
    let lines = this.#readers.get(namespace);
    if (!lines) {
      lines = new ReaderLines(() => BusLine.open(namespace));
      this.#readers.set(namespace, lines);
    }
    return lines;
  }

  async #send(namespace: BusNamespace, queue: string, message: OutgoingMessage): Promise<void> {
    const wire: ServiceBusMessage = {
      messageId: message.messageId,
      body: message.body,
      contentType: 'application/json',
      ...(message.correlationId !== undefined && { correlationId: message.correlationId }),
      ...(message.timeToLiveMs !== undefined && { timeToLive: message.timeToLiveMs }),
      ...(message.scheduledAt !== undefined && { scheduledEnqueueTimeUtc: new Date(message.scheduledAt) }),
      applicationProperties: { ...message.properties, ...(message.traceparent !== undefined && { traceparent: message.traceparent }) },
    };
    await turn();
    await this.#use(namespace, queue, (sender) => sender.sendMessages(wire));
  }

  async #use(namespace: BusNamespace, queue: string, work: (sender: ServiceBusSender) => Promise<void>): Promise<void> {
    try {
      await retrying(
        dependencyRetry,
        (error) => ({ again: isTransient(error) }),
        async () => {
          const line = await this.#open(namespace);
          try {
            await line.use(queue, work);
          } catch (error) {
            if (isTransient(error)) this.#leave(line);
            throw error;
          }
        },
      );
    } catch (error) {
      // A queue that is being made or removed: whoever sends comes again.
      if (!isTransient(error) && !hasCode(error, 'MessagingEntityNotFound', 'MessagingEntityDisabled')) throw error;
      throw new DependencyError('serviceBus', 'Service Bus did not take the message', { cause: error });
    }
  }

  async #open(namespace: BusNamespace): Promise<BusLine> {
    const opened = this.#lines.get(namespace);
    if (opened && !(await opened).broken) return opened;
    const present = this.#lines.get(namespace);
    // Of several that found it broken, the first replaces it.
    if (present && present !== opened) return present;
    const line = BusLine.open(namespace);
    this.#lines.set(namespace, line);
    return line;
  }

  /** A line that is broken is replaced by whoever comes next; one that merely refused stays. */
  #leave(line: BusLine): void {
    if (line.broken) void line.hangUp();
  }
}
