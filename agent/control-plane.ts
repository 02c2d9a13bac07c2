// The agent's calls to FlowGrid's API. One that was lost on the way is made again, in a form that has its effect once.
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { backOffMs } from './back-off.ts';
import type { AgentEnvironment } from './environment.ts';

/** An answer that is not the one asked for; `code` is FlowGrid's stable code, `unreachable` where there was no answer. */
export class ControlPlaneError extends Error {
  override readonly name = 'ControlPlaneError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.status = status;
    this.code = code;
  }
}

export interface CallOptions {
  /** Makes calls that are not the same again by nature, such as a send, once (Idempotency-Key). */
  readonly once?: boolean;
  readonly timeoutMs?: number;
}

const usualTimeoutMs = 30_000;
const tries = 8;
/** What asks to be left alone for longer is told to the caller. */
const longestPauseMs = 5_000;
/** Codes by which FlowGrid asks to repeat, whatever their status. */
const passing = ['queue_not_ready', 'idempotency_in_progress', 'rate_limited', 'dependency_unavailable'];

export class ControlPlane {
  readonly #environment: AgentEnvironment;

  constructor(environment: AgentEnvironment) {
    this.#environment = environment;
  }

  /** Answers the response with a 2xx status. What may pass is tried again for about fifteen seconds; throws a ControlPlaneError. */
  async call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Response> {
    const key = options.once ? randomUUID() : undefined;
    for (let count = 1; ; count++) {
      const answer = await this.#try(method, path, body, key, options.timeoutMs ?? usualTimeoutMs);
      if (!('error' in answer)) return answer;
      const pauseMs = Math.max(answer.afterMs, Math.min(longestPauseMs, backOffMs(count)));
      if (!answer.passes || count === tries || pauseMs > longestPauseMs) throw answer.error;
      await wait(pauseMs);
    }
  }

  /** The same, with the JSON of the answer. */
  async ask<Answer>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer> {
    const response = await this.call(method, path, body, options);
    // The shapes of api.md; both sides are ours.
    return (await response.json()) as Answer;
  }

  async #try(method: string, path: string, body: unknown, key: string | undefined, timeoutMs: number): Promise<Response | Failure> {
    try {
      const response = await fetch(this.#environment.registryUrl + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#environment.apiToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return response.ok ? response : await failureOf(response);
    } catch (cause) {
      const error = new ControlPlaneError(0, 'unreachable', 'FlowGrid did not answer', { cause });
      return { error, passes: true, afterMs: 0 };
    }
  }
}

interface Failure {
  readonly error: ControlPlaneError;
  readonly passes: boolean;
  readonly afterMs: number;
}

async function failureOf(response: Response): Promise<Failure> {
  const text = await response.text();
  const problem = readProblem(text);
  const error = new ControlPlaneError(response.status, problem.code ?? 'unknown', problem.detail ?? response.statusText);
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  return { error, passes: passing.includes(error.code) || [502, 503, 504].includes(response.status), afterMs: (seconds || 0) * 1_000 };
}

function readProblem(text: string): { readonly code?: string; readonly detail?: string } {
  try {
    // A problem of RFC 9457, from our own API; whatever a proxy says instead has no code.
    return Object(JSON.parse(text)) as { code?: string; detail?: string };
  } catch {
    return {};
  }
}
