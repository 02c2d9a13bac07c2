// Master-key signatures, https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources.
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Address } from './address.ts';
import { Refusal } from './refusal.ts';

const prefix = 'type=master&ver=1.0&sig=';
const encodedPrefix = encodeURIComponent(prefix);
const allowedSkew = 15 * 60_000;

export class MasterKey {
  readonly #key: KeyObject;
  /** The date seen last: in a second there are many requests, and all have the same. */
  #date = { header: '', lower: '', time: Number.NaN };

  /** @param key the account key, base64. */
  constructor(key: string) {
    this.#key = createSecretKey(Buffer.from(key, 'base64'));
  }

  /** @throws {Refusal} 401 for a wrong or missing signature, 403 for one made more than 15 minutes from now. */
  verify({ method = '', headers }: IncomingMessage, { type, link }: Address): void {
    const { authorization } = headers;
    if (!authorization) throw new Refusal(401, 'Required Header authorization is missing. Ensure a valid Authorization token is passed.');
    const header = headers['x-ms-date'] ?? headers.date ?? '';
    if (this.#date.header !== header)
      this.#date = { header: String(header), lower: String(header).toLowerCase(), time: Date.parse(String(header)) };
    const { lower, time } = this.#date;
    const payload = `${method.toLowerCase()}\n${type.toLowerCase()}\n${link}\n${lower}\n\n`;
    const expected = createHmac('sha256', this.#key).update(payload).digest('base64');
    if (!isSame(signatureIn(authorization), expected)) {
      throw new Refusal(
        401,
        `The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol. Server used the following payload to sign: '${payload}'`,
      );
    }
    if (Math.abs(time - Date.now()) <= allowedSkew) return;
    const now = new Date().toUTCString();
    throw new Refusal(
      403,
      `The authorization token is not valid at the current time. Please create another token and retry (token time: ${header}, current server time: ${now}).`,
    );
  }
}

/** The signature, base64. */
function signatureIn(authorization: string): string {
  // As the SDK encodes it, so this is the way nearly every request goes.
  if (authorization.startsWith(encodedPrefix)) {
    return authorization.slice(encodedPrefix.length).replaceAll('%2B', '+').replaceAll('%2F', '/').replaceAll('%3D', '=');
  }
  const token = decoded(authorization);
  if (token.startsWith(prefix)) return token.slice(prefix.length);
  const kind = token.startsWith('type=aad') ? 'Microsoft Entra tokens (type=aad)' : 'Tokens other than master-key signatures';
  throw new Refusal(401, `${kind} are not modelled by the local twin (local/LIMITS.md).`);
}

function decoded(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}

/** In a time that does not tell where they differ. */
function isSame(given: string, expected: string): boolean {
  let difference = given.length ^ expected.length;
  for (let i = 0; i < expected.length; i++) difference |= given.charCodeAt(i) ^ expected.charCodeAt(i);
  return difference === 0;
}
