// The dispatcher: answers the calls on `platform-dispatch`. One call is one turn of one tenant, so the order in which calls come is round robin.
import type { Bus } from '../../bus/bus.ts';
import type { Tier } from '../../quota/tiers.ts';
import type { CandidateScope, PlatformScope } from '../../scope/scope.ts';
import type { PlatformDocuments } from '../../storage/platform-documents.ts';
import type { TenantRecords } from '../../tenancy/tenant.ts';
import type { Call } from './call.ts';
import { groundOf } from './doorbell.ts';
import { Drain, type DrainServices } from './drain.ts';
import type { Ground } from './ground.ts';
import { answer } from './markers.ts';
import { DrainReaders } from './readers.ts';
import { recalling } from './recalling.ts';
import { takeTurn } from './turn.ts';

interface Services extends DrainServices {
  readonly bus: Bus;
  readonly platformDocuments: PlatformDocuments;
  readonly platform: PlatformScope;
  readonly tenantRecords: TenantRecords;
}

/** How much one tenant has going at once, and how much of it in one turn. */
export interface Shares {
  readonly slots: Readonly<Record<Tier, number>>;
  readonly quantum: number;
}

/** Slots: up to 8, or a multiple of 8, up to 32. A turn costs as much as some ten messages with nothing to do. */
export const usual: Shares = { slots: { standard: 2, premium: 8, enterprise: 32 }, quantum: 48 };

export class Dispatcher {
  readonly #services: Services;
  readonly #shares: Shares;
  readonly #ground: Ground;
  readonly #readers: DrainReaders;

  constructor(services: Services, shares: Shares = usual) {
    this.#services = services;
    this.#shares = shares;
    this.#ground = recalling(groundOf(services));
    this.#readers = new DrainReaders(services.bus);
  }

  /** Takes a turn for the tenant that a call claims. `again`: the call has come before and was not finished. When it rejects, the call must come again. */
  async answer(candidate: CandidateScope, call: Call, again: boolean): Promise<void> {
    const { tenantRecords } = this.#services;
    const known = await tenantRecords.of(candidate);
    // What is remembered may be two seconds old, and a tenant that has just been opened again rings once.
    const tenant = known?.status === 'active' ? known : (await tenantRecords.read(candidate))?.body;
    if (tenant?.status !== 'active') {
      // Left alone: it rings anew when it is opened again.
      if (call.kind === 'ring') await answer(this.#ground, call);
      return;
    }
    await takeTurn(this.#ground, {
      call,
      again,
      slots: this.#shares.slots[tenant.tier],
      work: () =>
        this.#readers.use(candidate, call.queue, (reader) =>
          new Drain(this.#services, this.#ground, candidate, call, reader).run(this.#shares.quantum),
        ),
    });
  }
}
