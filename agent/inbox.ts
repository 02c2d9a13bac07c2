// The agent's own queue: listened at with a token for that queue alone, renewed before it ends; handlers see verified envelopes only.
import type { ServiceBusReceivedMessage } from '@azure/service-bus';
import { type Envelope, verifyEnvelope } from '../shared/messaging/envelope.ts';
import type { ControlPlane } from './control-plane.ts';
import type { AgentEnvironment } from './environment.ts';
import { Line, type ListenToken, type Verdict } from './line.ts';

/** A new line is opened this long before the token of the old one ends. */
const renewAheadMs = 60_000;
/** A line that was lost, or could not be opened, is opened again after this. */
const redialMs = 1_000;
/** How many message ids are remembered to tell a replay from a redelivery. */
const remembered = 10_000;

export class Inbox {
  readonly #environment: AgentEnvironment;
  readonly #controlPlane: ControlPlane;
  readonly #handle: (envelope: Envelope) => Promise<void>;
  readonly #onProblem: (problem: string) => void;
  readonly #seen = new Map<string, string>();
  readonly #hangingUp = new Set<Promise<void>>();
  #line: Line | undefined;
  #renewal: NodeJS.Timeout | undefined;
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

  /** Opens a line, and takes leave of the one before. */
  async open(): Promise<void> {
    const token = await this.#controlPlane.ask<ListenToken>('POST', '/api/messaging/token', { queue: this.#environment.queue });
    if (this.#closed) return;
    const before = this.#line;
    const line: Line = new Line(
      token,
      (message) => this.#judge(message),
      this.#onProblem,
      (problem) => {
        this.#onProblem(problem);
        if (this.#line === line) this.#openIn(redialMs);
      },
    );
    this.#line = line;
    if (before) this.#leave(before);
    this.#openIn(Math.max(redialMs, Date.parse(token.expiresAt) - Date.now() - renewAheadMs));
  }

  /** Takes no more, waits for what is being handled, and hangs up. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#renewal);
    if (this.#line) this.#leave(this.#line);
    await Promise.all(this.#hangingUp);
  }

  #leave(line: Line): void {
    const leaving = line
      .hangUp()
      .catch((error: unknown) => this.#onProblem(error instanceof Error ? error.message : String(error)))
      .finally(() => this.#hangingUp.delete(leaving));
    this.#hangingUp.add(leaving);
  }

  #openIn(ms: number): void {
    clearTimeout(this.#renewal);
    if (this.#closed) return;
    this.#renewal = setTimeout(() => {
      this.open().catch((error: unknown) => {
        this.#onProblem(error instanceof Error ? error.message : String(error));
        this.#openIn(redialMs);
      });
    }, ms);
  }

  async #judge(message: ServiceBusReceivedMessage): Promise<Verdict> {
    const { tenantId, agentId, verificationKey } = this.#environment;
    const verified = verifyEnvelope(message.body, { tenantId, recipient: agentId, keys: [verificationKey], now: Date.now() });
    if ('refused' in verified) return this.#refuse(verified.refused);
    if (this.#isReplay(verified.envelope, message)) return this.#refuse('replayed');
    try {
      await this.#handle(verified.envelope);
      return 'complete';
    } catch (error) {
      this.#onProblem(error instanceof Error ? error.message : String(error));
      return 'abandon';
    }
  }

  #refuse(reason: string): Verdict {
    this.#onProblem(`a message was refused: ${reason}`);
    return { refused: reason };
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
