// The agent's own queue: listened at with a token for that queue alone, renewed before it ends; handlers see verified envelopes only.
import { ServiceBusClient, type ServiceBusReceivedMessage, type ServiceBusReceiver } from '@azure/service-bus';
import { type Envelope, verifyEnvelope } from '../shared/messaging/envelope.ts';
import type { ControlPlane } from './control-plane.ts';
import type { AgentEnvironment } from './environment.ts';

interface ListenToken {
  readonly endpoint: string;
  readonly queue: string;
  readonly token: string;
  readonly expiresAt: string;
}

interface Line {
  readonly client: ServiceBusClient;
  readonly receiver: ServiceBusReceiver;
  readonly subscription: { close(): Promise<void> };
}

/** A new line is opened this long before the token of the old one ends. */
const renewAheadMs = 60_000;
const concurrency = 16;
/** How many message ids are remembered to tell a replay from a redelivery. */
const remembered = 10_000;

export class Inbox {
  readonly #environment: AgentEnvironment;
  readonly #controlPlane: ControlPlane;
  readonly #handle: (envelope: Envelope) => Promise<void>;
  readonly #onProblem: (problem: string) => void;
  readonly #seen = new Map<string, string>();
  #line: Line | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #running = new Set<Promise<void>>();
  #settling: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    environment: AgentEnvironment,
    controlPlane: ControlPlane,
    handle: (envelope: Envelope) => Promise<void>,
    onProblem: (problem: string) => void,
  ) {
    this.#environment = environment;
    this.#controlPlane = controlPlane;
    this.#handle = handle;
    this.#onProblem = onProblem;
  }

  async open(): Promise<void> {
    const token = await this.#controlPlane.ask<ListenToken>('POST', '/api/messaging/token', { queue: this.#environment.queue });
    const loopback = /^sb:\/\/(127\.|localhost|\[::1\])/.test(token.endpoint) ? ';UseDevelopmentEmulator=true' : '';
    const client = new ServiceBusClient(`Endpoint=${token.endpoint};SharedAccessSignature=${token.token}${loopback}`);
    const receiver = client.createReceiver(token.queue);
    const subscription = receiver.subscribe(
      {
        processMessage: (message) => this.#receive(receiver, message),
        processError: async ({ error }) => this.#onProblem(error.message),
      },
      { autoCompleteMessages: false, maxConcurrentCalls: concurrency },
    );
    const before = this.#line;
    this.#line = { client, receiver, subscription };
    this.#settling = Promise.resolve();
    if (before) await hangUp(before);
    if (this.#closed) return hangUp(this.#line);
    const left = Date.parse(token.expiresAt) - Date.now();
    this.#renewLater(Math.max(1_000, left - renewAheadMs));
  }

  /** Takes no more, waits for what is being handled, and hangs up. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#renewal);
    if (!this.#line) return;
    await this.#line.subscription.close();
    await Promise.allSettled(this.#running);
    await hangUp(this.#line);
  }

  #renewLater(ms: number): void {
    this.#renewal = setTimeout(() => {
      this.open().catch((error: unknown) => {
        this.#onProblem(error instanceof Error ? error.message : String(error));
        if (!this.#closed) this.#renewLater(5_000);
      });
    }, ms);
  }

  #receive(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage): Promise<void> {
    const work = this.#settle(receiver, message).finally(() => this.#running.delete(work));
    this.#running.add(work);
    return work;
  }

  async #settle(receiver: ServiceBusReceiver, message: ServiceBusReceivedMessage): Promise<void> {
    const { tenantId, agentId, verificationKey } = this.#environment;
    const verified = verifyEnvelope(message.body, { tenantId, recipient: agentId, keys: [verificationKey], now: Date.now() });
    const refused = 'refused' in verified ? verified.refused : this.#isReplay(verified.envelope, message) ? 'replayed' : undefined;
    if ('refused' in verified || refused !== undefined) {
      this.#onProblem(`a message was refused: ${refused}`);
      const reason = { deadLetterReason: refused ?? 'envelope_invalid', deadLetterErrorDescription: 'refused by the agent' };
      await this.#inTurn(() => receiver.deadLetterMessage(message, reason));
      return;
    }
    try {
      await this.#handle(verified.envelope);
    } catch (error) {
      this.#onProblem(error instanceof Error ? error.message : String(error));
      await this.#inTurn(() => receiver.abandonMessage(message));
      return;
    }
    await this.#inTurn(() => receiver.completeMessage(message));
  }

  /** One settlement after another: of two at once on one link, AMQP's client (rhea 3.0.5) gives both the outcome of the first. */
  #inTurn(settle: () => Promise<void>): Promise<void> {
    const turn = this.#settling.then(settle);
    this.#settling = turn.catch(() => undefined);
    return turn;
  }

  /** A known message id under another sequence number is a replay; under the same one it is a redelivery. */
  #isReplay({ messageId }: Envelope, message: ServiceBusReceivedMessage): boolean {
    const number = String(message.sequenceNumber);
    const known = this.#seen.get(messageId);
    if (known !== undefined) return known !== number;
    this.#seen.set(messageId, number);
    const oldest = this.#seen.keys().next();
    if (this.#seen.size > remembered && !oldest.done) this.#seen.delete(oldest.value);
    return false;
  }
}

async function hangUp({ client, receiver, subscription }: Line): Promise<void> {
  await subscription.close();
  await receiver.close();
  await client.close();
}
