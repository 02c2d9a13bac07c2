// The revocation epoch: how every instance hears, within two seconds, that something it remembers of a tenant has changed (architecture 4).
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { chance, newId, now, wait } from '../clock/clock.ts';
import { DependencyError } from '../errors/problem.ts';
import { type Cosmos, request, statusOf } from './cosmos.ts';

const Body = z.strictObject({ seq: z.int(), changes: z.array(z.tuple([z.int(), z.string()])) });
type Body = z.infer<typeof Body>;

interface Item {
  readonly id: string;
  readonly type: string;
  readonly body: unknown;
  readonly write: string;
  readonly _etag?: string;
}

const documentId = 'epoch:epoch';
const keptChanges = 500;
/** Knowledge older than this is refreshed beside the call that uses it… */
const refreshMs = 1_000;
/** …and older than this before it: with the time of a read, two seconds. */
const staleMs = 1_800;
const tries = 20;

export class Epoch {
  readonly #cosmos: Cosmos;
  /** A tenant pushed out gets a number that nobody has seen, so whatever was remembered of it is read again. */
  readonly #generations = new LRUCache<string, number>({ max: 50_000 });
  #lastGeneration = 0;
  #seq: number | undefined;
  #etag: string | undefined;
  #changes: Body['changes'] = [];
  /** When the read began that the knowledge here comes from. */
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  /** The next write, which whoever comes before it begins may join. */
  #next: { readonly tenants: Set<string>; readonly told: Promise<void> } | undefined;
  #last: Promise<void> = Promise.resolve();
  /** Tenants whose changes were made but could not be told. */
  readonly #untold = new Set<string>();

  constructor(cosmos: Cosmos) {
    this.#cosmos = cosmos;
  }

  /** A number that is another one after every change to something remembered of the tenant, here at once and elsewhere within 2 s. */
  generation(tenantId: string): number {
    return this.#generations.get(tenantId) ?? this.#begin(tenantId);
  }

  /** Undefined when what is known here may be trusted; else a promise to wait for. It rejects with a DependencyError: then nothing may be. */
  fresh(): Promise<void> | undefined {
    const age = now() - this.#readAt;
    if (age >= 0 && age < refreshMs) return undefined;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    if (age < 0 || age >= staleMs) return this.#reading;
    this.#reading.catch(() => undefined);
    return undefined;
  }

  /** Ends what is remembered of the tenant: here at once, and elsewhere within 2 s of when this resolves. Throws a DependencyError. */
  async bump(tenantId: string): Promise<void> {
    this.#begin(tenantId);
    await this.#announce([tenantId]);
  }

  /** A write that has begun may have been seen already, so a change waits for one that begins after it. */
  #announce(tenants: readonly string[]): Promise<void> {
    this.#next ??= { tenants: new Set(), told: this.#tellNext(this.#last) };
    for (const tenantId of tenants) this.#next.tenants.add(tenantId);
    const { told } = this.#next;
    this.#last = told.catch(() => undefined);
    return told;
  }

  #begin(tenantId: string): number {
    this.#lastGeneration += 1;
    this.#generations.set(tenantId, this.#lastGeneration);
    return this.#lastGeneration;
  }

  async #read(): Promise<void> {
    const startedAt = now();
    const container = await this.#cosmos.container('platform');
    const { resource } = await request(() => container.item(documentId, documentId).read<Item>());
    this.#learn(resource?._etag, resource ? Body.parse(resource.body) : { seq: 0, changes: [] });
    this.#readAt = startedAt;
    if (this.#untold.size > 0) this.#announce([...this.#untold]).catch(() => undefined);
  }

  #learn(etag: string | undefined, { seq, changes }: Body): void {
    if (this.#seq !== undefined && seq < this.#seq) return;
    const known = this.#seq;
    this.#seq = seq;
    this.#etag = etag;
    this.#changes = changes;
    if (known === undefined || seq === known) return;
    const oldest = changes[0]?.[0] ?? seq;
    // Too far behind to know who has changed: everybody may have.
    if (oldest > known + 1) this.#generations.clear();
    else for (const [at, tenantId] of changes) if (at > known) this.#begin(tenantId);
  }

  /** One write for all that waited for the one before. */
  async #tellNext(before: Promise<void>): Promise<void> {
    await before;
    const tenants = [...(this.#next?.tenants ?? [])];
    this.#next = undefined;
    try {
      for (let at = 0; at < tenants.length; at += keptChanges) await this.#tell(tenants.slice(at, at + keptChanges));
      for (const tenantId of tenants) this.#untold.delete(tenantId);
    } catch (error) {
      for (const tenantId of tenants) this.#untold.add(tenantId);
      throw error;
    }
  }

  async #tell(tenants: readonly string[]): Promise<void> {
    for (let count = 0; count < tries; count++) {
      if (this.#seq === undefined || count > 0) await this.#read();
      const first = (this.#seq ?? 0) + 1;
      const next: Body = {
        seq: first + tenants.length - 1,
        changes: [...this.#changes, ...tenants.map((tenantId, at): [number, string] => [first + at, tenantId])].slice(-keptChanges),
      };
      const etag = await this.#write(next);
      if (etag !== undefined) return this.#learn(etag, next);
      await wait(chance() * 10 * (count + 1));
    }
    throw new DependencyError('cosmos', 'too many instances change the epoch at once');
  }

  /** The new tag, or undefined when another instance came first. */
  async #write(body: Body): Promise<string | undefined> {
    const container = await this.#cosmos.container('platform');
    const item: Item = { id: documentId, type: 'epoch', body, write: newId() };
    const accessCondition = { type: 'IfMatch', condition: this.#etag ?? '' };
    return request(async (count) => {
      try {
        const { etag } =
          this.#etag === undefined
            ? await container.items.create(item)
            : await container.item(documentId, documentId).replace(item, { accessCondition });
        return etag;
      } catch (error) {
        if (![404, 409, 412].includes(statusOf(error) ?? 0)) throw error;
        if (count === 1) return undefined;
        // An earlier try of this very write may have been the one that got there first.
        const { resource } = await container.item(documentId, documentId).read<Item>();
        return resource?.write === item.write ? resource._etag : undefined;
      }
    });
  }
}
