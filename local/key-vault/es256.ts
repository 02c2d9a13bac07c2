// ES256 over a digest, as Key Vault takes it; node:crypto only signs whole messages. Not hardened: for the twin's own keys.
import { createECDH } from 'node:crypto';

/** The order of P-256 (FIPS 186-5, SP 800-186 3.2.1.3). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** @returns r and s, 32 bytes each (RFC 7518 3.4). `privateKey` is the JWK's `d`. */
export function signDigest(privateKey: string, digest: Uint8Array): Buffer {
  const d = toNumber(Buffer.from(privateKey, 'base64url'));
  for (;;) {
    const nonce = createECDH('prime256v1');
    nonce.generateKeys();
    const r = toNumber(nonce.getPublicKey().subarray(1, 33)) % order;
    const s = (inverse(toNumber(nonce.getPrivateKey())) * (toNumber(digest) + r * d)) % order;
    if (r !== 0n && s !== 0n) return Buffer.concat([toBytes(r), toBytes(s)]);
  }
}

/** Verifies by the private key, which the twin has: (z/s)G + (r/s)Q is ((z + rd)/s)G. */
export function verifyDigest(privateKey: string, digest: Uint8Array, signature: Uint8Array): boolean {
  const r = toNumber(signature.subarray(0, 32));
  const s = toNumber(signature.subarray(32));
  if (signature.length !== 64 || r === 0n || r >= order || s === 0n || s >= order) return false;
  const d = toNumber(Buffer.from(privateKey, 'base64url'));
  const nonce = (inverse(s) * (toNumber(digest) + r * d)) % order;
  if (nonce === 0n) return false;
  const point = createECDH('prime256v1');
  point.setPrivateKey(toBytes(nonce));
  return toNumber(point.getPublicKey().subarray(1, 33)) % order === r;
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}

function toBytes(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex');
}

/** By Fermat: a^(n - 2) mod n. */
function inverse(a: bigint): bigint {
  let result = 1n;
  let base = a % order;
  for (let exponent = order - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % order;
    base = (base * base) % order;
  }
  return result;
}
