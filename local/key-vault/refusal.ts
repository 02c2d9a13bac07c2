// The errors of Key Vault: `{ error: { code, message, innererror? } }`, with the service's codes and, where known, its words.

/** What a request is answered with instead of a result. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly inner: string | undefined;
  /** Seconds for `Retry-After`. */
  readonly retryAfter: number | undefined;

  constructor(status: number, code: string, message: string, more: { inner?: string; retryAfter?: number } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.inner = more.inner;
    this.retryAfter = more.retryAfter;
  }

  get body(): object {
    const { code, message, inner } = this;
    return { error: { code, message, ...(inner && { innererror: { code: inner } }) } };
  }
}

export function badParameter(message: string): Refusal {
  return new Refusal(400, 'BadParameter', message);
}

export function forbidden(message: string, inner: string): Refusal {
  return new Refusal(403, 'Forbidden', message, { inner });
}

/** Something the service may do and this twin does not: never silently another answer. */
export function notModelled(what: string): Refusal {
  return new Refusal(501, 'NotImplemented', `${what} is not modelled by the local twin (local/LIMITS.md).`);
}

export function throttled(retryAfter: number): Refusal {
  const message = 'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached';
  return new Refusal(429, 'Throttled', message, { retryAfter });
}
