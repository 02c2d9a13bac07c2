// Public keys as JSON (JWK, RFC 7517): which are taken, and for which algorithms.
import { createPublicKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';

/** A key that others sign with. `fits`: whether it is for this algorithm. */
export interface PublicKey {
  readonly kid: string | undefined;
  readonly fits: (alg: string) => boolean;
  readonly key: KeyObject;
}

const said = {
  kid: z.string().max(256).optional(),
  use: z.literal('sig').optional(),
  key_ops: z
    .array(z.string())
    .refine((ops) => ops.includes('verify'))
    .optional(),
  alg: z.string().optional(),
};
const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

const rsa = z.object({ ...said, kty: z.literal('RSA'), n: base64url.min(342).max(1_366), e: base64url.max(6) });
const ec = z.object({
  ...said,
  kty: z.literal('EC'),
  crv: z.enum(['P-256', 'P-384', 'P-521']),
  x: base64url.max(88),
  y: base64url.max(88),
});
const okp = z.object({ ...said, kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: base64url.length(43) });

/** Public keys alone, with their public members alone; RSA from 2,048 to 8,192 bits. What is anything else is left out. */
const Jwk = z.discriminatedUnion('kty', [rsa, ec, okp]);

const kid = z.string().min(1).max(256);

/** A key as somebody hands it to us to be kept: it has an id, and nothing that we would have to leave out, a private member least of all. */
export const PinnedJwk = z
  .discriminatedUnion('kty', [rsa.extend({ kid }).strict(), ec.extend({ kid }).strict(), okp.extend({ kid }).strict()])
  .refine((jwk) => readPublicKey(jwk) !== undefined, 'not a key of its kind')
  .meta({ id: 'PublicKey', description: 'A public JSON Web Key (RFC 7517): RSA, P-256, P-384, P-521 or Ed25519' });
export type PinnedJwk = z.infer<typeof PinnedJwk>;

const algorithmsOf: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  Ed25519: ['EdDSA', 'Ed25519'],
};

/** The algorithms there are keys for: all of them asymmetric. */
export const keyAlgorithms: readonly string[] = Object.values(algorithmsOf).flat();

/** Undefined for what is no such key. */
export function readPublicKey(jwk: unknown): PublicKey | undefined {
  const parsed = Jwk.safeParse(jwk);
  if (!parsed.success) return undefined;
  const { kid, use: _use, key_ops: _ops, alg: only, ...material } = parsed.data;
  const algorithms = algorithmsOf['crv' in material ? material.crv : 'RSA'] ?? [];
  try {
    const key = createPublicKey({ key: material, format: 'jwk' });
    return { kid, key, fits: (alg) => algorithms.includes(alg) && (only === undefined || only === alg) };
  } catch {
    return undefined;
  }
}
