// Cross-tenant attempts: logged at ERROR and written to the caller's and the platform's ledger, at most ten a minute for one caller.
// The tenant that was named is not looked up and does not hear of it.
import { LRUCache } from 'lru-cache';
import { now } from '../clock/clock.ts';
import type { TenantIdentity } from '../identity/identity.ts';
import type { PlatformScope } from '../scope/scope.ts';
import { log } from '../telemetry/log.ts';
import type { Cause, EventDraft } from './event.ts';
import type { Ledger } from './ledger.ts';

const windowMs = 60_000;
const perWindow = 10;

interface Window {
  readonly opened: number;
  count: number;
  /** Tells what was held back, and ends the window. */
  readonly close: () => void;
}

export class CrossTenantRecorder {
  readonly #ledger: Ledger;
  readonly #platform: PlatformScope;
  readonly #windows = new LRUCache<string, Window>({ max: 10_000 });

  constructor(ledger: Ledger, platform: PlatformScope) {
    this.#ledger = ledger;
    this.#platform = platform;
  }

  /** `place` says where the other tenant was named. Answers at once; the events follow. */
  record(caller: TenantIdentity, cause: Cause, functionName: string, place: string): void {
    const key = `${caller.tenantId} ${caller.subject}`;
    let window = this.#windows.get(key);
    if (!window || now() - window.opened >= windowMs) {
      window = this.#open(key, caller, cause, functionName);
    }
    window.count += 1;
    if (window.count <= perWindow) this.#write(caller, cause, functionName, { place, attempts: 1 });
  }

  /** Tells at once what is held back: this process ends. */
  flush(): void {
    for (const window of [...this.#windows.values()]) window.close();
  }

  /** What a window held back is told by one more event when it ends. */
  #open(key: string, caller: TenantIdentity, cause: Cause, functionName: string): Window {
    const close = () => {
      clearTimeout(timer);
      if (this.#windows.get(key) === window) this.#windows.delete(key);
      const held = window.count - perWindow;
      if (held > 0) this.#write(caller, cause, functionName, { place: 'several', attempts: held });
    };
    const window: Window = { opened: now(), count: 0, close };
    const timer = setTimeout(close, windowMs).unref();
    this.#windows.set(key, window);
    return window;
  }

  #write(caller: TenantIdentity, cause: Cause, functionName: string, what: { place: string; attempts: number }): void {
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
