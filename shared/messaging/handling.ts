// What the control plane does with a verified message: hands it to the agent's endpoint, or does itself what the orchestrator is asked to.
import type { Bus } from '../bus/bus.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { Registry } from '../registry/registry.ts';
import type { TenantScope } from '../scope/scope.ts';
import type { TenantStore } from '../storage/tenant-store.ts';
import type { Envelope } from './envelope.ts';
import type { SigningKeys } from './signing-keys.ts';
import type { Delivery, Verdict } from './verdict.ts';

interface Services {
  readonly store: TenantStore;
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly outbound: Outbound;
  readonly registry: Registry;
  readonly signingKeys: SigningKeys;
}

export class MessageHandling {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * Handles one message of `agents`, `orchestrator` or a push agent's own queue, and says what becomes of it; the caller settles. Writes the ledger's events of
   * what it decides. A dependency that is away is a retry that does not count; only bugs throw. May run twice for one message.
   */
  async handle(_scope: TenantScope, _envelope: Envelope, _delivery: Delivery): Promise<Verdict> {
    void this.#services;
    return { kind: 'dead-letter', reason: 'no_handler', description: 'nothing handles messages yet' };
  }
}
