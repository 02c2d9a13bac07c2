// A checkpoint: where every lane of a tenant ended at an instant, signed, and chained to the one before. Pure: needs no service and no clock.
import { createHash, createPublicKey, verify } from 'node:crypto';
import * as z from 'zod';
import { canonical } from '../messaging/canonical.ts';
import { TenantId } from '../scope/ids.ts';
import type { ChainCheck } from './verify-chain.ts';

export const Checkpoint = z.strictObject({
  tenantId: TenantId,
  seq: z.int().min(1),
  /** The hash of the checkpoint before (of its compact form), empty in the first. */
  prev: z.string(),
  at: z.iso.datetime(),
  lanes: z.array(z.strictObject({ lane: z.string(), first: z.int(), last: z.int(), hash: z.string() })),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

/** The public half of a signing key. */
export const PublicKey = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() });
export type PublicKey = z.infer<typeof PublicKey>;

const Header = z.strictObject({ alg: z.literal('ES256'), typ: z.literal('flowgrid-ledger-checkpoint+jwt'), kid: z.string() });

/** The RFC 7638 thumbprint (SHA-256, base64url): what a key is called, so that nobody has to be trusted with its name. */
export function thumbprint({ crv, kty, x, y }: PublicKey): string {
  return createHash('sha256').update(canonical({ crv, kty, x, y })).digest('base64url');
}

/** What is signed: the first two parts of a compact JWS (RFC 7515 section 3.1). */
export function signingInput(checkpoint: Checkpoint, key: PublicKey): string {
  const header = { alg: 'ES256', typ: 'flowgrid-ledger-checkpoint+jwt', kid: thumbprint(key) };
  return [header, checkpoint].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
}

/** What the next checkpoint says of this one. */
export function checkpointHash(jws: string): string {
  return createHash('sha256').update(jws).digest('base64url');
}

/** The checkpoint inside, or undefined when it is none or none of these keys signed it. */
export function openCheckpoint(jws: string, keys: ReadonlyMap<string, PublicKey>): Checkpoint | undefined {
  const [header = '', payload = '', signature = '', ...more] = jws.split('.');
  const key = keys.get(Header.safeParse(parse(header)).data?.kid ?? '');
  if (!key || more.length > 0) return undefined;
  // ES256 signatures are r and s, 32 bytes each (RFC 7518 section 3.4).
  const publicKey = { key: createPublicKey({ key, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', Buffer.from(`${header}.${payload}`), publicKey, Buffer.from(signature, 'base64url'))) return undefined;
  return Checkpoint.safeParse(parse(payload)).data;
}

function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The lane under which faults of the checkpoints themselves are told; their sequence number is the checkpoint's. */
export const checkpointLane = 'checkpoint';

/** Walks the checkpoints of a tenant from the first to the last, and tells a ChainCheck what each vouches for. */
export class CheckpointCheck {
  readonly #tenantId: string;
  readonly #keys: ReadonlyMap<string, PublicKey>;
  readonly #chain: ChainCheck;
  readonly #known = new Map<string, number>();
  #seq = 0;
  #hash = '';

  constructor(tenantId: string, keys: readonly PublicKey[], chain: ChainCheck) {
    this.#tenantId = tenantId;
    this.#keys = new Map(keys.map((key) => [thumbprint(key), key]));
    this.#chain = chain;
  }

  /** Lanes that a checkpoint has seen. */
  get lanes(): IterableIterator<string> {
    return this.#known.keys();
  }

  get seq(): number {
    return this.#seq;
  }

  take(jws: string): void {
    if (this.#chain.broken) return;
    const checkpoint = openCheckpoint(jws, this.#keys);
    const seq = this.#seq + 1;
    if (!checkpoint || checkpoint.tenantId !== this.#tenantId) {
      this.#chain.fail(checkpointLane, seq, 'checkpoint_invalid');
      return;
    }
    if (checkpoint.seq !== seq || checkpoint.prev !== this.#hash) {
      this.#chain.fail(checkpointLane, seq, 'checkpoint_missing');
      return;
    }
    for (const { lane, last, hash } of checkpoint.lanes) {
      if (last < (this.#known.get(lane) ?? 0)) this.#chain.fail(lane, last, 'head_replayed');
      // What the checkpoint before has said already need not be said again.
      if (last > (this.#known.get(lane) ?? 0)) this.#chain.expect(lane, { seq: last, hash }, 'checkpoint');
      this.#known.set(lane, last);
    }
    this.#seq = seq;
    this.#hash = checkpointHash(jws);
  }
}
