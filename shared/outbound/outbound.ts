// The only door out: every connection to an address that is not one of Azure's own services is opened here.
import type { Readable } from 'node:stream';
import type { Agent } from 'undici';
import type { Config } from '../config/config.ts';

export interface OutboundRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Until the first byte of the answer, and between two parts of it, in milliseconds. */
  readonly timeoutMs: number;
}

/** `blocked`: the address guard said no, nothing was sent. `unreachable`: no connection, or it broke before an answer. */
export type OutboundAnswer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
      readonly body: Readable;
    }
  | { readonly kind: 'blocked' | 'timeout' }
  | { readonly kind: 'unreachable'; readonly sent: boolean };

export class Outbound {
  readonly #allowLoopback: boolean;
  #agent: Promise<{ agent: Agent; request: typeof import('undici').request }> | undefined;

  constructor(config: Config) {
    this.#allowLoopback = config.outboundLoopback;
  }

  /** Sends one request. Redirects are never followed: they come back as the answer they are. */
  async send(request: OutboundRequest): Promise<OutboundAnswer> {
    if (!this.#allowed(request.url)) return { kind: 'blocked' };
    this.#agent ??= this.#open();
    const { agent, request: send } = await this.#agent;
    try {
      const { statusCode, headers, body } = await send(request.url, {
        dispatcher: agent,
        method: request.method,
        headers: { ...request.headers },
        ...(request.body !== undefined && { body: request.body }),
        headersTimeout: request.timeoutMs,
        bodyTimeout: request.timeoutMs,
      });
      return { kind: 'answer', status: statusCode, headers, body };
    } catch (error) {
      return failure(error);
    }
  }

  async close(): Promise<void> {
    const open = await this.#agent;
    await open?.agent.close();
  }

  #allowed(url: URL): boolean {
    if (url.username || url.password) return false;
    const loopback = url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\./.test(url.hostname);
    return loopback ? this.#allowLoopback : url.protocol === 'https:';
  }

  async #open(): Promise<{ agent: Agent; request: typeof import('undici').request }> {
    const { Agent, request } = await import('./undici.ts');
    return { request, agent: new Agent({ connections: 256, connectTimeout: 5_000, keepAliveTimeout: 10_000, maxHeaderSize: 32_768 }) };
  }
}

function failure(error: unknown): OutboundAnswer {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return { kind: 'timeout' };
  const neverSent = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'UND_ERR_CONNECT_TIMEOUT';
  return { kind: 'unreachable', sent: !neverSent };
}
