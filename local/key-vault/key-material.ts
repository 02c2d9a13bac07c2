// The cryptography of a key version: generate, wrap, unwrap, sign, verify. Private parts lie in the vault's file as JWK.
import { constants, createPrivateKey, generateKeyPair, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto';
import { promisify } from 'node:util';
import * as z from 'zod';
import { signDigest, verifyDigest } from './es256.ts';
import { badParameter, notModelled } from './refusal.ts';

const generate = promisify(generateKeyPair);

export const operations = ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'] as const;
export type Operation = (typeof operations)[number];

const Rsa = z.object({
  kty: z.literal('RSA'),
  n: z.string(),
  e: z.string(),
  d: z.string(),
  p: z.string(),
  q: z.string(),
  dp: z.string(),
  dq: z.string(),
  qi: z.string(),
});
const Ec = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string(), d: z.string() });
/** A key pair as JWK. */
export const Material = z.discriminatedUnion('kty', [Rsa, Ec]);
export type Material = z.infer<typeof Material>;

export function publicPart(material: Material): object {
  if (material.kty === 'RSA') return { kty: material.kty, n: material.n, e: material.e };
  return { kty: material.kty, crv: material.crv, x: material.x, y: material.y };
}

export function rsaBits(material: Material): number | undefined {
  return material.kty === 'RSA' ? Buffer.from(material.n, 'base64url').length * 8 : undefined;
}

/** Off the event loop: an RSA key takes from 50 ms to seconds. */
export async function generateMaterial(kty: 'RSA' | 'EC', bits: number): Promise<Material> {
  const pair: { privateKey: KeyObject } =
    kty === 'RSA' ? await generate('rsa', { modulusLength: bits }) : await generate('ec', { namedCurve: 'P-256' });
  return Material.parse(pair.privateKey.export({ format: 'jwk' }));
}

const oaepHash = { 'RSA-OAEP': 'sha1', 'RSA-OAEP-256': 'sha256' } as const;

/** @throws {Refusal} 400 when `value` is too long for the key or was not wrapped by it, 501 for an algorithm that is not modelled */
export function transport(operation: 'wrapKey' | 'unwrapKey', material: Material, algorithm: string, value: Buffer): Buffer {
  if (algorithm !== 'RSA-OAEP' && algorithm !== 'RSA-OAEP-256') throw notModelled(`Algorithm ${algorithm}`);
  if (material.kty !== 'RSA') throw incompatible(material, algorithm);
  const key = createPrivateKey({ key: material, format: 'jwk' });
  const way = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHash[algorithm] };
  try {
    return operation === 'wrapKey' ? publicEncrypt(way, value) : privateDecrypt(way, value);
  } catch {
    throw badParameter('The parameter is incorrect.\r\n');
  }
}

/** The `d` of a key that can do ES256. @throws {Refusal} */
function signingKey(material: Material, algorithm: string, digest: Buffer): string {
  if (algorithm !== 'ES256') throw notModelled(`Algorithm ${algorithm}`);
  if (material.kty !== 'EC') throw incompatible(material, algorithm);
  if (digest.length !== 32)
    throw badParameter(`Invalid length of 'value': ${digest.length} bytes. ES256 requires 32 bytes, encoded with base64url.`);
  return material.d;
}

export function sign(material: Material, algorithm: string, digest: Buffer): Buffer {
  return signDigest(signingKey(material, algorithm, digest), digest);
}

export function verify(material: Material, algorithm: string, digest: Buffer, signature: Buffer): boolean {
  return verifyDigest(signingKey(material, algorithm, digest), digest, signature);
}

function incompatible(material: Material, algorithm: string) {
  return badParameter(`Key and algorithm are incompatible: key type '${material.kty}', algorithm '${algorithm}'.`);
}
