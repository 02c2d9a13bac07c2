// Credentials that were refused, as `auth.failed` events: in the ledger of the tenant whose own credential it was, else in the platform's. Neither
// grows with the number of attempts.
import { newId } from '../clock/clock.ts';
import { Problem } from '../errors/problem.ts';
import { Coalescer } from '../ledger/coalescer.ts';
import type { Cause, EventDraft } from '../ledger/event.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TenantId } from '../scope/ids.ts';
import { TenantScope } from '../scope/maker.ts';
import type { PlatformScope } from '../scope/scope.ts';
import { log } from '../telemetry/log.ts';
import type { Trace } from '../telemetry/trace.ts';
import { sourceOf } from './source.ts';

/** The request a credential came in: what a provider is presented, or the exchange itself. */
export interface Origin {
  readonly ip?: string | undefined;
  readonly requestId?: string;
  readonly trace?: Trace;
}

export interface AuthFailure {
  /** Why it was refused, a stable word of ours: `secret_wrong`, `key_expired`, … */
  readonly code: string;
  /** What was presented, by an id that is no secret: a key's id, an issuer's name. */
  readonly entity: EventDraft['entity'];
  /**
   * Only where `entity` is something that this tenant is known to have (a key on record, a token that we signed, an issuer in its list): whoever
   * merely claims a tenant must not be able to write to its ledger. A tenant has so many of those, and is told once a minute of each.
   */
  readonly tenantId?: TenantId;
}

interface Attempt {
  readonly cause: Cause;
  readonly failure: AuthFailure;
}

/** The same for whoever sends nothing and for whatever is sent in vain. */
export const unauthenticated = new Problem('unauthenticated');

export class AuthFailures {
  readonly #ledger: Ledger;
  readonly #platform: PlatformScope;
  readonly #ofTenants = new Coalescer<Attempt>({ perWindow: 1, windows: 10_000 }, (attempt, attempts) => this.#write(attempt, attempts));
  readonly #ofNobody = new Coalescer<Attempt>({ perWindow: 10, windows: 1_000 }, (attempt, attempts) => this.#write(attempt, attempts));

  constructor(ledger: Ledger, platform: PlatformScope) {
    this.#ledger = ledger;
    this.#platform = platform;
  }

  /** Gives the 401 to answer with, the same for every reason; the event follows. A provider that returns it ends the chain. */
  record({ ip, requestId = newId(), trace }: Origin, failure: AuthFailure): Problem {
    const source = sourceOf(ip);
    const cause: Cause = {
      actor: { type: 'unknown', id: source, method: 'none' },
      requestId,
      ...(trace && { traceId: trace.traceId }),
      ...(ip !== undefined && { ip }),
    };
    const { tenantId, entity } = failure;
    if (tenantId === undefined) this.#ofNobody.record(source, { cause, failure });
    else this.#ofTenants.record(`${tenantId} ${entity.type}:${entity.id}`, { cause, failure });
    return unauthenticated;
  }

  /** Tells at once what is held back: this process ends. */
  flush(): void {
    this.#ofTenants.flush();
    this.#ofNobody.flush();
  }

  #write({ cause, failure: { code, entity, tenantId } }: Attempt, attempts: number): void {
    log.warn('a credential was refused', tenantId ?? 'platform', { requestId: cause.requestId, code, attempts });
    // This scope is for this one event, which is itself the record of the platform being there (decision 007).
    const scope = tenantId === undefined ? this.#platform.own : new TenantScope(tenantId, 'assumed');
    this.#ledger.follow(scope, cause, { action: 'auth.failed', entity, outcome: 'denied', code, new: { attempts } });
  }
}
