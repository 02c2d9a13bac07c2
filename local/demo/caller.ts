// Somebody who calls FlowGrid with a key or a token.

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/** The members of a problem that the demo looks at. */
export interface ProblemBody {
  readonly code?: string;
}

export class Caller {
  readonly #api: string;
  readonly #key: string | undefined;

  /** Without a key: somebody who shows none. */
  constructor(api: string, key?: string) {
    this.#api = api;
    this.#key = key;
  }

  /** Any answer, refusals too. A text is sent as it is, anything else as JSON. */
  async try<Body>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    const response = await fetch(this.#api + path, {
      method,
      headers: {
        ...(this.#key !== undefined && { authorization: `Bearer ${this.#key}` }),
        ...(body !== undefined && { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    // The shapes of api.md; the steps check what they rely on.
    return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as Body };
  }

  /** The body of a 2xx answer; throws on any other. */
  async ask<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await this.try<Body & ProblemBody>(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status} ${answer.body?.code ?? ''}`);
    return answer.body;
  }
}
