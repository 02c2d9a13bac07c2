// The agent's calls to FlowGrid's API.
import { setTimeout as wait } from 'node:timers/promises';
import type { AgentEnvironment } from './environment.ts';

/** An answer that is not the one asked for; `code` is FlowGrid's stable code. */
export class ControlPlaneError extends Error {
  override readonly name = 'ControlPlaneError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(`${code}: ${detail}`);
    this.status = status;
    this.code = code;
  }
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
}

const timeoutMs = 30_000;
const tries = 5;

export class ControlPlane {
  readonly #environment: AgentEnvironment;

  constructor(environment: AgentEnvironment) {
    this.#environment = environment;
  }

  /** Answers the response with a 2xx status. What FlowGrid asks to repeat (503, with Retry-After) is repeated a few times; throws a ControlPlaneError. */
  async call(method: string, path: string, body?: unknown): Promise<Response> {
    for (let count = 1; ; count++) {
      const response = await fetch(this.#environment.registryUrl + path, {
        method,
        headers: {
          authorization: `Bearer ${this.#environment.apiToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (response.ok) return response;
      const problem: Problem = await response.json().then(
        (value: unknown) => value as Problem,
        () => ({}),
      );
      const error = new ControlPlaneError(response.status, problem.code ?? 'unknown', problem.detail ?? response.statusText);
      if ((response.status !== 503 && error.code !== 'queue_not_ready') || count === tries) throw error;
      await wait(Math.min(5, Number(response.headers.get('retry-after') ?? 1)) * 1_000);
    }
  }

  /** The same, with the JSON of the answer. */
  async ask<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.call(method, path, body);
    // The shapes of api.md; both sides are ours.
    return (await response.json()) as Answer;
  }
}
