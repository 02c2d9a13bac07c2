// The agent's calls to FlowGrid's API. What may pass is tried again.
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
  /** Under one key FlowGrid makes a call once in 24 hours, and answers it again (Idempotency-Key). */
  readonly idempotencyKey?: string;
  /** Whether a call that got no answer may be made again, having perhaps had its effect. Yes unless it is said. */
  readonly repeats?: boolean;
  readonly timeoutMs?: number;
}

const usualTimeoutMs = 30_000;
const tries = 8;
/** What asks to be left alone for longer is told to the caller. */
const longestPauseMs = 5_000;
/** Codes by which FlowGrid says that it did nothing, and asks to repeat. */
const passing = ['queue_not_ready', 'idempotency_in_progress', 'rate_limited', 'dependency_unavailable'];

export class ControlPlane {
  readonly #environment: AgentEnvironment;

  constructor(environment: AgentEnvironment) {
    this.#environment = environment;
  }

  /** Answers the response with a 2xx status. What may pass is tried again for about fifteen seconds; throws a ControlPlaneError. */
  async call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Response> {
    for (let count = 1; ; count++) {
      const answer = await this.#try(method, path, body, options);
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

  async #try(method: string, path: string, body: unknown, options: CallOptions): Promise<Response | Failure> {
    const { idempotencyKey, repeats = true, timeoutMs = usualTimeoutMs } = options;
    try {
      const response = await fetch(this.#environment.registryUrl + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#environment.apiToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      return response.ok ? response : await failureOf(response, repeats);
    } catch (cause) {
      const error = new ControlPlaneError(0, 'unreachable', 'FlowGrid did not answer', { cause });
      return { error, passes: repeats, afterMs: 0 };
    }
  }
}

interface Failure {
  readonly error: ControlPlaneError;
  readonly passes: boolean;
  readonly afterMs: number;
}

async function failureOf(response: Response, repeats: boolean): Promise<Failure> {
  const problem = readProblem(await response.text());
  const code = problem.code ?? 'unknown';
  const error = new ControlPlaneError(response.status, code, problem.detail ?? response.statusText);
  // A tool's provider has codes of its own; what stands between us and FlowGrid has none.
  const isOurs = !response.headers.has('x-upstream-status');
  const isBetween = repeats && code === 'unknown' && [502, 503, 504].includes(response.status);
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  return { error, passes: isOurs && (passing.includes(code) || isBetween), afterMs: (seconds || 0) * 1_000 };
}

function readProblem(text: string): { readonly code?: string; readonly detail?: string } {
  try {
    // A problem of RFC 9457, from our own API.
    return Object(JSON.parse(text)) as { code?: string; detail?: string };
  } catch {
    return {};
  }
}
