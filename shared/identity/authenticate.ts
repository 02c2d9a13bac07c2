// The auth chain: what a request presents, and the first provider that knows it.
import type { Problem } from '../errors/problem.ts';
import type { Trace } from '../telemetry/trace.ts';
import type { Identity } from './identity.ts';

/** What a request shows of who sends it. `credential` is a bearer token or an API key, however it was sent. */
export interface Presented {
  readonly credential?: string;
  /** The session cookie's value. */
  readonly cookie?: string;
  readonly method: string;
  /** The Origin header: a write that comes with a cookie must come from our own pages. */
  readonly origin?: string;
  /** The address of whoever sends it, as far as it is known. */
  readonly ip?: string;
  /** `X-Dev-Tenant` and `X-Dev-User`. */
  readonly devTenant?: string;
  readonly devUser?: string;
  /** The request it came with, for the ledger. */
  readonly requestId?: string;
  readonly trace?: Trace;
}

type Finding = Identity | Problem | undefined;

/**
 * One way to prove who calls, one file. Answers undefined for what is not of its kind, a Problem for what it knows and refuses (the 401 of
 * `AuthFailures.record`, which has recorded why), and throws a DependencyError when it cannot tell.
 */
export interface Provider {
  identify(presented: Presented): Promise<Finding> | Finding;
}

export class Authenticator {
  readonly #providers: readonly Provider[];

  constructor(providers: readonly Provider[]) {
    this.#providers = providers;
  }

  /** The first finding along the chain; undefined when nothing presented proves anything. */
  async identify(presented: Presented): Promise<Finding> {
    for (const provider of this.#providers) {
      const finding = await provider.identify(presented);
      if (finding) return finding;
    }
    return undefined;
  }
}
