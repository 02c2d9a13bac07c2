// The keys that others sign with (JWKS, RFC 7517), by tenant and issuer. A slow or dead key server never fails a key that is known, and nobody can
// make us ask for keys more than once a minute by naming ones that are not there.
import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { now } from '../clock/clock.ts';
import { fetchDocument } from '../outbound/document.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { TenantId } from '../scope/ids.ts';
import { type PublicKey, readPublicKey } from './public-jwk.ts';

/** Where an issuer's keys are: at `jwksUri`, or where its discovery document says (OpenID Connect Discovery 1.0, 4). */
export interface KeySource {
  readonly issuer: string;
  readonly jwksUri?: string | undefined;
}

/** The `kid` and `alg` of a token's header. */
export interface KeyHint {
  readonly kid: string | undefined;
  readonly alg: string;
}

interface Entry {
  keys: readonly PublicKey[];
  readAt: number;
  /** The last fetch that a key which is not there has caused. */
  missedAt: number;
  /** The last fetch of any kind. */
  triedAt: number;
  flight: Promise<void> | undefined;
}

/** Keys older than this are read again behind the call that uses them… */
const freshMs = 600_000;
/** …and older than this are not used, whatever the key server is up to. */
const keptMs = 86_400_000;
/** The least time between two fetches of either kind. */
const pauseMs = 60_000;
const timeoutMs = 5_000;
const maxBytes = 262_144;
const maxKeys = 50;

export class KeySets {
  readonly #outbound: Outbound;
  readonly #entries = new LRUCache<string, Entry>({ max: 2_000 });

  constructor(outbound: Outbound) {
    this.#outbound = outbound;
  }

  /** The key that a token of this issuer names, for its algorithm; undefined when there is none, or none can be had. */
  async find(tenantId: TenantId, source: KeySource, hint: KeyHint): Promise<KeyObject | undefined> {
    const entry = this.#entry(tenantId, source);
    const known = pick(entry, hint);
    if (known) {
      if (now() - entry.readAt >= freshMs && now() - entry.triedAt >= pauseMs) void this.#refresh(entry, source);
      return known;
    }
    if (entry.flight !== undefined) await entry.flight;
    else if (now() - entry.missedAt >= pauseMs) {
      const before = entry.missedAt;
      entry.missedAt = now();
      await this.#refresh(entry, source);
      // Whoever names a key that is there has not used up the minute for the next new one.
      if (pick(entry, hint)) entry.missedAt = before;
    }
    return pick(entry, hint);
  }

  #entry(tenantId: TenantId, { issuer, jwksUri = '' }: KeySource): Entry {
    const name = `${tenantId} ${issuer} ${jwksUri}`;
    const never = Number.NEGATIVE_INFINITY;
    const entry = this.#entries.get(name) ?? { keys: [], readAt: never, missedAt: never, triedAt: never, flight: undefined };
    this.#entries.set(name, entry);
    return entry;
  }

  /** One fetch for all who wait. Never rejects: without an answer things stay as they are. */
  #refresh(entry: Entry, source: KeySource): Promise<void> {
    entry.triedAt = now();
    entry.flight ??= this.#fetch(source)
      .then(
        (keys) => keys && Object.assign(entry, { keys, readAt: now() }),
        () => undefined,
      )
      .then(() => undefined)
      .finally(() => {
        entry.flight = undefined;
      });
    return entry.flight;
  }

  async #fetch({ issuer, jwksUri }: KeySource): Promise<PublicKey[] | undefined> {
    const address = jwksUri ?? (await this.#discover(issuer));
    const found = await this.#document(address, KeySet);
    return found?.keys.flatMap((jwk) => readPublicKey(jwk) ?? []).slice(0, maxKeys);
  }

  async #discover(issuer: string): Promise<string | undefined> {
    const found = await this.#document(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, Discovery);
    return found?.issuer === issuer ? found.jwks_uri : undefined;
  }

  async #document<Shape>(address: string | undefined, shape: z.ZodType<Shape>): Promise<Shape | undefined> {
    if (address === undefined || !URL.canParse(address)) return undefined;
    const answer = await fetchDocument(this.#outbound, { url: new URL(address), maxBytes, timeoutMs });
    return answer.kind === 'document' ? shape.safeParse(answer.json).data : undefined;
  }
}

function pick({ keys, readAt }: Entry, { kid, alg }: KeyHint): KeyObject | undefined {
  if (now() - readAt >= keptMs) return undefined;
  const fitting = keys.filter((key) => (kid === undefined || key.kid === kid) && key.fits(alg));
  // A token that names no key is good for the only one there is, and for no choice.
  return kid === undefined && fitting.length > 1 ? undefined : fitting[0]?.key;
}

const Discovery = z.object({ issuer: z.string(), jwks_uri: z.string() });
const KeySet = z.object({ keys: z.array(z.unknown()).max(500) });
