// The agent's own queue: listened at with a token for that queue alone, renewed before it ends, opened again whenever it is lost.
import { setTimeout as wait } from 'node:timers/promises';
import { backOffMs } from './back-off.ts';
import type { ControlPlane } from './control-plane.ts';
import type { AgentEnvironment } from './environment.ts';
import { type Access, type Judge, Line } from './line.ts';

/** `POST /api/messaging/token` (api.md, Messages). */
interface ListenToken {
  readonly endpoint: string;
  readonly queue: string;
  readonly token: string;
  readonly expiresAt: string;
}

/** A new line is opened this long before the token of the old one ends. */
const renewAheadMs = 60_000;
/** A line that held this long was a good one: the next failure is a first one again. */
const goodMs = 10_000;

export class Inbox {
  readonly #environment: AgentEnvironment;
  readonly #controlPlane: ControlPlane;
  readonly #judge: Judge;
  readonly #onProblem: (error: unknown) => void;
  readonly #recover: (error: unknown) => Promise<void>;
  readonly #hangingUp = new Set<Promise<void>>();
  #line: Line | undefined;
  #openedAt = 0;
  #failures = 0;
  #next: NodeJS.Timeout | undefined;
  #closed = false;

  /** `recover` is given what kept a line from being opened, before the next try. */
  constructor(
    environment: AgentEnvironment,
    controlPlane: ControlPlane,
    judge: Judge,
    recover: (error: unknown) => Promise<void>,
    onProblem: (error: unknown) => void,
  ) {
    this.#environment = environment;
    this.#controlPlane = controlPlane;
    this.#judge = judge;
    this.#recover = recover;
    this.#onProblem = onProblem;
  }

  /** Opens a line, and takes leave of the one before. */
  async open(): Promise<void> {
    const { access, endsAt } = await this.#access();
    if (this.#closed) return;
    const before = this.#line;
    const line: Line = new Line(access, {
      judge: this.#judge,
      onProblem: this.#onProblem,
      onLost: (error) => {
        this.#onProblem(error);
        if (this.#line === line) this.#openAgain();
      },
    });
    this.#line = line;
    this.#openedAt = Date.now();
    if (before) this.#leave(before);
    if (endsAt !== undefined) this.#openIn(Math.max(1_000, endsAt - Date.now() - renewAheadMs));
  }

  /** Takes no more, waits for what is being handled, at most so long, and hangs up. What is left comes again, here or elsewhere. */
  async close(withinMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#next);
    if (this.#line) this.#leave(this.#line);
    const late = new AbortController();
    const tooLate = wait(withinMs, 'late' as const, { signal: late.signal }).catch(() => 'in time' as const);
    if ((await Promise.race([Promise.all(this.#hangingUp), tooLate])) === 'late')
      this.#onProblem(new Error(`what was being handled was not done within ${withinMs} ms`));
    late.abort();
  }

  async #access(): Promise<{ access: Access; endsAt?: number }> {
    const { connectionString, queue } = this.#environment;
    if (connectionString !== undefined) return { access: { connectionString, queue } };
    const { endpoint, token, expiresAt } = await this.#controlPlane.ask<ListenToken>('POST', '/api/messaging/token', { queue });
    // A broker on this machine speaks without TLS.
    const loopback = /^sb:\/\/(127\.|localhost|\[::1\])/.test(endpoint) ? ';UseDevelopmentEmulator=true' : '';
    const access = { connectionString: `Endpoint=${endpoint};SharedAccessSignature=${token}${loopback}`, queue };
    return { access, endsAt: Date.parse(expiresAt) };
  }

  #leave(line: Line): void {
    const leaving = line
      .hangUp()
      .catch(this.#onProblem)
      .finally(() => this.#hangingUp.delete(leaving));
    this.#hangingUp.add(leaving);
  }

  #openAgain(): void {
    if (Date.now() - this.#openedAt > goodMs) this.#failures = 0;
    this.#failures += 1;
    this.#openIn(backOffMs(this.#failures));
  }

  #openIn(ms: number): void {
    clearTimeout(this.#next);
    if (this.#closed) return;
    this.#next = setTimeout(() => {
      this.open().catch(async (error: unknown) => {
        this.#onProblem(error);
        if (!this.#closed) await this.#recover(error).catch(this.#onProblem);
        this.#openAgain();
      });
    }, ms);
  }
}
