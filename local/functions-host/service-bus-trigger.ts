// Service Bus queue triggers, through the unmodified SDK: peek-lock, so many calls at once, completed when the function returns and abandoned
// when it throws. A broker that is away is tried again for as long as the host runs.
import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { ProcessErrorArgs, ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus';
import type { RegisteredFunction, TypedData } from './core-module.ts';
import type { Invoker } from './invoke.ts';
import type { HostLog } from './log.ts';
import { messageData } from './message-data.ts';
import { type HostJson, resolveSettings } from './settings.ts';
import type { Trigger } from './triggers.ts';

/** A broken connection is logged once in this time. */
const complaintMs = 10_000;
/** Between attempts to connect: doubled each time, up to the most, from the least again after a connection that lasted. */
const [leastDelayMs, mostDelayMs, lastingMs] = [100, 1_000, 5_000];
/** A client whose broker does not answer is not waited for any longer when it is closed. */
const closeMs = 2_000;
/** A broker that answers at all answers a settlement in this time. */
const settleMs = 3_000;

type Options = HostJson['extensions']['serviceBus'];
type QueueTrigger = Trigger & { kind: 'serviceBus' };

interface Link {
  readonly Client: typeof ServiceBusClient;
  readonly client: ServiceBusClient;
  readonly receiver: ServiceBusReceiver;
  readonly subscription: { close(): Promise<void> };
  readonly openedAt: number;
}

export class QueueListener {
  readonly #called: RegisteredFunction;
  readonly #trigger: QueueTrigger;
  readonly #options: Options;
  readonly #invoker: Invoker;
  readonly #log: HostLog;
  readonly #connectionString: string;
  readonly #queue: string;
  #link: Link | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #delayMs = leastDelayMs;
  #settling: Promise<void> = Promise.resolve();
  #stopping = false;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #complainedAt = Number.NEGATIVE_INFINITY;

  /** Throws if the connection or the queue's name cannot be resolved. */
  constructor(called: RegisteredFunction, trigger: QueueTrigger, options: Options, invoker: Invoker, log: HostLog) {
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
    this.#open(ServiceBusClient);
  }

  async drain(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#reopening);
    await this.#link?.subscription.close();
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async close(): Promise<void> {
    if (this.#link) await Promise.race([closeLink(this.#link), wait(closeMs, undefined, { ref: false })]);
  }

  #open(Client: typeof ServiceBusClient): void {
    const client = new Client(this.#connectionString, { retryOptions: { timeoutInMs: 10_000, retryDelayInMs: leastDelayMs } });
    const receiver = client.createReceiver(this.#queue, {
      skipParsingBodyAsJson: true,
      maxAutoLockRenewalDurationInMs: this.#options.maxAutoLockRenewalDuration,
    });
    const subscription = receiver.subscribe(
      { processMessage: (message) => this.#process(link, message), processError: (failure) => this.#complain(failure) },
      { autoCompleteMessages: false, maxConcurrentCalls: this.#options.maxConcurrentCalls },
    );
    const link: Link = { Client, client, receiver, subscription, openedAt: performance.now() };
    this.#link = link;
    this.#settling = Promise.resolve();
    connectionOf(client)?.once('disconnected', () => this.#reopen(link));
  }

  /**
   * Replaces a client that lost its connection. Left alone the SDK (7.9.5) recovers too, but after a minute if a message was being settled or
   * its lock renewed at that moment: it waits for the dead connection's management link to close.
   */
  #reopen(link: Link): void {
    if (this.#stopping || this.#link !== link) return;
    this.#link = undefined;
    void closeLink(link);
    if (performance.now() - link.openedAt > lastingMs) this.#delayMs = leastDelayMs;
    this.#reopening = setTimeout(() => this.#open(link.Client), this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, mostDelayMs);
  }

  async #process(link: Link, message: ServiceBusReceivedMessage): Promise<void> {
    this.#underWay++;
    const id = randomUUID();
    try {
      await this.#invoke(id, message);
      if (this.#link !== link) throw new Error('the connection was lost meanwhile: the message will come again');
      if (this.#trigger.autoCompleteMessages ?? this.#options.autoCompleteMessages)
        await this.#settle(link, () => link.receiver.completeMessage(message));
    } catch (error) {
      this.#invoker.failed(this.#called.metadata.name, id, error);
      if (this.#link === link) await this.#settle(link, () => link.receiver.abandonMessage(message));
    } finally {
      if (--this.#underWay === 0) this.#idle?.();
    }
  }

  /**
   * One settlement after another: of two at once on one link, AMQP's client (rhea 3.0.5) gives both the outcome of the first. One that was refused
   * is repeated by the SDK on a delivery that is over, and waits 40 s for nothing: so a settlement that does not come through ends the link.
   */
  async #settle(link: Link, settle: () => Promise<void>): Promise<void> {
    const turn = this.#settling.then(() => {
      if (this.#link !== link) throw new Error('the connection was lost meanwhile: the message will come again');
      return Promise.race([
        settle(),
        wait(settleMs, undefined, { ref: false }).then(() => Promise.reject(new Error('the settlement was not answered'))),
      ]);
    });
    this.#settling = turn.catch(() => {});
    try {
      await turn;
    } catch (error) {
      this.#reopen(link);
      throw error;
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

async function closeLink({ receiver, client }: Link): Promise<void> {
  try {
    await receiver.close();
    await client.close();
  } catch {
    // the broker is gone: there is nothing left to close
  }
}

/** The client's AMQP connection, which no public member tells the end of. */
function connectionOf(client: ServiceBusClient): EventEmitter | undefined {
  return (client as unknown as { _connectionContext?: { connection?: EventEmitter } })._connectionContext?.connection;
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
