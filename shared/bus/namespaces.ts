// The Service Bus namespaces of a deployment. The first is home: the platform's own queues are there. A namespace carries 10,000 queues (Azure, Standard),
// so tenants spread over several; a tenant's record says which is its own.
import { createHash } from 'node:crypto';
import type { BusNamespace, Config } from '../config/config.ts';
import { DependencyError } from '../errors/problem.ts';
import type { CandidateScope, TenantScope } from '../scope/scope.ts';

/** Answers the `placement.namespace` of the scope's tenant; undefined when it has no record. */
export type PlacementOf = (scope: TenantScope | CandidateScope) => Promise<string | undefined>;

export class Namespaces {
  readonly #all: readonly BusNamespace[];
  readonly #isLocal: boolean;
  readonly #placementOf: PlacementOf;

  constructor({ transport }: Pick<Config, 'transport'>, placementOf: PlacementOf) {
    this.#all = transport.serviceBus;
    this.#isLocal = transport.kind === 'insecure';
    this.#placementOf = placementOf;
  }

  get all(): readonly BusNamespace[] {
    return this.#all;
  }

  get home(): BusNamespace {
    const [home] = this.#all;
    if (!home) throw new Error('a deployment has a namespace');
    return home;
  }

  /** The namespace of the scope's tenant. Throws a DependencyError when the deployment does not list it. */
  async of(scope: TenantScope | CandidateScope): Promise<BusNamespace> {
    // Locally home is another port at every start, whatever the record says.
    if (this.#isLocal && this.#all.length === 1) return this.home;
    const name = await this.#placementOf(scope);
    const found = this.#all.find((namespace) => namespace.name === name);
    if (found) return found;
    if (this.#isLocal || name === undefined) return this.home;
    throw new DependencyError('serviceBus', 'the tenant is placed on a namespace that this deployment does not list');
  }

  /** Where a tenant goes that nobody has placed. */
  nameFor(tenantId: string): string {
    const at = createHash('sha256').update(tenantId).digest().readUInt32BE() % this.#all.length;
    return (this.#all[at] ?? this.home).name;
  }
}
