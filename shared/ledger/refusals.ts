// Calls that were refused and whose failure is an event of its own name (api.md, Event: `registration_failed`). Each of the first ten a minute of one
// caller, then one count: what is written does not grow with the attempts.
import type { TenantIdentity } from '../identity/identity.ts';
import { Coalescer } from './coalescer.ts';
import type { Cause, EventDraft } from './event.ts';
import type { Ledger } from './ledger.ts';

interface Refusal {
  readonly caller: TenantIdentity;
  readonly cause: Cause;
  readonly event: EventDraft;
}

export class RefusalRecorder {
  readonly #ledger: Ledger;
  readonly #refusals = new Coalescer<Refusal>({ perWindow: 10, windows: 10_000 }, (refusal, attempts) => this.#write(refusal, attempts));

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Answers at once; the event follows. */
  record(caller: TenantIdentity, cause: Cause, event: EventDraft): void {
    this.#refusals.record(`${caller.tenantId} ${caller.subject} ${event.action}`, { caller, cause, event });
  }

  /** Tells at once what is held back: this process ends. */
  flush(): void {
    this.#refusals.flush();
  }

  #write({ caller, cause, event }: Refusal, attempts: number): void {
    this.#ledger.follow(caller.scope, cause, { ...event, new: { attempts } });
  }
}
