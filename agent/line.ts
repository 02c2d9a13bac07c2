// One connection to the agent's queue: messages come in, each is settled once, and what is under way is finished before the line is hung up.
import { setTimeout as wait } from 'node:timers/promises';
import { ServiceBusClient, type ServiceBusReceivedMessage, type ServiceBusReceiver } from '@azure/service-bus';

export interface ListenToken {
  readonly endpoint: string;
  readonly queue: string;
  readonly token: string;
  readonly expiresAt: string;
}

/** What becomes of a message: done, to come again, or refused with a coded reason. */
export type Verdict = 'complete' | 'abandon' | { readonly refused: string };

const concurrency = 16;
/** A broker that answers at all answers a settlement in this time. */
const settleMs = 5_000;

export class Line {
  readonly #client: ServiceBusClient;
  readonly #receiver: ServiceBusReceiver;
  readonly #judge: (message: ServiceBusReceivedMessage) => Promise<Verdict>;
  readonly #onLost: (problem: string) => void;
  readonly #running = new Set<Promise<void>>();
  readonly #subscription: { close(): Promise<void> };
  #settling: Promise<void> = Promise.resolve();
  #lost = false;

  /** Listens at once. `onLost` tells that this line settles nothing any more: the messages on it come again when their locks end. */
  constructor(
    token: ListenToken,
    judge: (message: ServiceBusReceivedMessage) => Promise<Verdict>,
    onProblem: (problem: string) => void,
    onLost: (problem: string) => void,
  ) {
    this.#judge = judge;
    this.#onLost = onLost;
    const loopback = /^sb:\/\/(127\.|localhost|\[::1\])/.test(token.endpoint) ? ';UseDevelopmentEmulator=true' : '';
    this.#client = new ServiceBusClient(`Endpoint=${token.endpoint};SharedAccessSignature=${token.token}${loopback}`);
    this.#receiver = this.#client.createReceiver(token.queue);
    this.#subscription = this.#receiver.subscribe(
      { processMessage: (message) => this.#receive(message), processError: async ({ error }) => onProblem(error.message) },
      { autoCompleteMessages: false, maxConcurrentCalls: concurrency },
    );
  }

  /** Takes no more, finishes what is under way, and closes the connection. */
  async hangUp(): Promise<void> {
    await this.#subscription.close();
    await Promise.all(this.#running);
    await this.#receiver.close();
    await this.#client.close();
  }

  #receive(message: ServiceBusReceivedMessage): Promise<void> {
    const work = this.#judge(message)
      .then((verdict) => this.#settle(message, verdict))
      .catch((error: unknown) => this.#lose(error))
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
    return work;
  }

  /** One after another: of two settlements at once on one link, AMQP's client (rhea 3.0.5) gives both the outcome of the first. */
  #settle(message: ServiceBusReceivedMessage, verdict: Verdict): Promise<void> {
    const turn = this.#settling.then(() => {
      if (this.#lost) throw new Error('the line was lost before the message was settled');
      return Promise.race([this.#send(message, verdict), this.#late()]);
    });
    this.#settling = turn.catch(() => undefined);
    return turn;
  }

  #send(message: ServiceBusReceivedMessage, verdict: Verdict): Promise<void> {
    if (verdict === 'complete') return this.#receiver.completeMessage(message);
    if (verdict === 'abandon') return this.#receiver.abandonMessage(message);
    return this.#receiver.deadLetterMessage(message, {
      deadLetterReason: verdict.refused,
      deadLetterErrorDescription: 'refused by the agent',
    });
  }

  /** A settlement that was refused is repeated by the SDK on a delivery that is over, and waits for nothing: so it is not waited for. */
  async #late(): Promise<never> {
    await wait(settleMs, undefined, { ref: false });
    throw new Error('a settlement was not answered');
  }

  #lose(error: unknown): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#onLost(error instanceof Error ? error.message : String(error));
  }
}
