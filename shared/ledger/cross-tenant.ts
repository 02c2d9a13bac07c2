// Cross-tenant attempts: logged at ERROR and written to the caller's and the platform's ledger, at most ten a minute for one caller.
// The tenant that was named is not looked up and does not hear of it.
import type { TenantIdentity } from '../identity/identity.ts';
import type { PlatformScope } from '../scope/scope.ts';
import { log } from '../telemetry/log.ts';
import { Coalescer } from './coalescer.ts';
import type { Cause, EventDraft } from './event.ts';
import type { Ledger } from './ledger.ts';

interface Attempt {
  readonly caller: TenantIdentity;
  readonly cause: Cause;
  readonly functionName: string;
  /** Where the other tenant was named. */
  readonly place: string;
}

export class CrossTenantRecorder {
  readonly #ledger: Ledger;
  readonly #platform: PlatformScope;
  readonly #attempts = new Coalescer<Attempt>({ perWindow: 10, windows: 10_000 }, (attempt, attempts) => this.#write(attempt, attempts));

  constructor(ledger: Ledger, platform: PlatformScope) {
    this.#ledger = ledger;
    this.#platform = platform;
  }

  /** `place` says where the other tenant was named. Answers at once; the events follow. */
  record(caller: TenantIdentity, cause: Cause, functionName: string, place: string): void {
    this.#attempts.record(`${caller.tenantId} ${caller.subject}`, { caller, cause, functionName, place });
  }

  /** Tells at once what is held back: this process ends. */
  flush(): void {
    this.#attempts.flush();
  }

  #write({ caller, cause, functionName, place }: Attempt, attempts: number): void {
    const what = { place: attempts === 1 ? place : 'several', attempts };
    log.error('cross-tenant attempt', caller.tenantId, {
      requestId: cause.requestId,
      actor: cause.actor.id,
      function: functionName,
      ...what,
    });
    const event: EventDraft = {
      action: 'security.cross_tenant',
      entity: { type: 'function', id: functionName },
      outcome: 'denied',
      code: what.place === 'path' ? 'not_found' : 'tenant_mismatch',
      new: what,
    };
    this.#ledger.follow(caller.scope, cause, event);
    this.#ledger.follow(this.#platform.own, cause, { ...event, new: { ...what, tenantId: caller.tenantId } });
  }
}
