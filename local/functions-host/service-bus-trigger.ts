// Service Bus queue triggers, through the unmodified SDK: peek-lock, so many calls at once, completed when the function returns and abandoned
// when it throws. A broker that is away is tried again for as long as the host runs.
import { randomUUID } from 'node:crypto';
import type { ProcessErrorArgs, ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';
import type { RegisteredFunction, TypedData } from './core-module.ts';
import type { Invoker } from './invoke.ts';
import type { HostLog } from './log.ts';
import { messageData } from './message-data.ts';
import { type HostJson, resolveSettings } from './settings.ts';
import type { Trigger } from './triggers.ts';

/** A broken connection is logged once in this time. */
const complaintMs = 10_000;

type Options = HostJson['extensions']['serviceBus'];

export class QueueListener {
  readonly #called: RegisteredFunction;
  readonly #trigger: Trigger & { kind: 'serviceBus' };
  readonly #options: Options;
  readonly #invoker: Invoker;
  readonly #log: HostLog;
  readonly #connectionString: string;
  readonly #queue: string;
  #subscription: { close(): Promise<void> } | undefined;
  #receiver: ServiceBusReceiver | undefined;
  #client: { close(): Promise<void> } | undefined;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #complainedAt = Number.NEGATIVE_INFINITY;

  /** Throws if the connection or the queue's name cannot be resolved. */
  constructor(called: RegisteredFunction, trigger: Trigger & { kind: 'serviceBus' }, options: Options, invoker: Invoker, log: HostLog) {
    this.#called = called;
    this.#trigger = trigger;
    this.#options = options;
    this.#invoker = invoker;
    this.#log = log;
    try {
      this.#connectionString = connectionString(trigger.connection);
      this.#queue = resolveSettings(trigger.queueName);
    } catch (error) {
      throw new Error(`Function "${called.metadata.name}": ${error instanceof Error ? error.message : error}.`);
    }
  }

  async start(): Promise<void> {
    const { ServiceBusClient } = await import('@azure/service-bus');
    const client = new ServiceBusClient(this.#connectionString, {
      retryOptions: { maxRetries: 3, retryDelayInMs: 250, maxRetryDelayInMs: 2_000, timeoutInMs: 10_000 },
    });
    this.#client = client;
    this.#receiver = client.createReceiver(this.#queue, {
      skipParsingBodyAsJson: true,
      maxAutoLockRenewalDurationInMs: this.#options.maxAutoLockRenewalDuration,
    });
    this.#subscription = this.#receiver.subscribe(
      { processMessage: (message) => this.#process(message), processError: (failure) => this.#complain(failure) },
      { autoCompleteMessages: false, maxConcurrentCalls: this.#options.maxConcurrentCalls },
    );
  }

  async drain(): Promise<void> {
    await this.#subscription?.close();
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async close(): Promise<void> {
    await this.#receiver?.close();
    await this.#client?.close();
  }

  async #process(message: ServiceBusReceivedMessage): Promise<void> {
    this.#underWay++;
    const id = randomUUID();
    try {
      await this.#invoke(id, message);
      if (this.#trigger.autoCompleteMessages ?? this.#options.autoCompleteMessages) await this.#receiver?.completeMessage(message);
    } catch (error) {
      this.#invoker.failed(this.#called.metadata.name, id, error);
      await this.#receiver?.abandonMessage(message);
    } finally {
      if (--this.#underWay === 0) this.#idle?.();
    }
  }

  async #invoke(invocationId: string, message: ServiceBusReceivedMessage): Promise<void> {
    const { metadata } = this.#called;
    const body = message.body instanceof Uint8Array ? message.body : undefined;
    if (!body) throw new Error(`a message whose body is not data (AMQP value or sequence) is not modelled`);
    const text = Buffer.from(body).toString();
    const data: TypedData = this.#trigger.dataType === 'binary' ? { bytes: body } : { string: text };
    await this.#invoker.invoke(this.#called, {
      invocationId,
      functionId: metadata.functionId ?? metadata.name,
      inputData: [{ name: this.#trigger.name, data }],
      triggerMetadata: messageData(message, this.#trigger.dataType === 'binary' ? '' : text),
      traceContext: { traceParent: String(message.applicationProperties?.['Diagnostic-Id'] ?? ''), traceState: '' },
    });
  }

  async #complain({ error, errorSource }: ProcessErrorArgs): Promise<void> {
    const now = performance.now();
    if (now - this.#complainedAt < complaintMs) return;
    this.#complainedAt = now;
    const { name } = this.#called.metadata;
    this.#log.write('warning', 'Host.ServiceBus', `${errorSource} on queue ${this.#queue}: ${error.message}`, { function: name });
  }
}

/** As the host resolves it: the app setting of that name. */
function connectionString(name: string): string {
  const value = process.env[name];
  if (value) return value;
  if (Object.keys(process.env).some((key) => key.toLowerCase().startsWith(`${name.toLowerCase()}__`))) {
    throw new Error(`the identity-based connection ${name}__… is not modelled: give a connection string`);
  }
  throw new Error(`there is no app setting ${name} with a Service Bus connection string`);
}
