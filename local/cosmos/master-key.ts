// Master-key signatures, https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources.
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Address } from './address.ts';
import { Refusal } from './refusal.ts';

const prefix = 'type=master&ver=1.0&sig=';
const allowedSkew = 15 * 60_000;

export class MasterKey {
  readonly #key: KeyObject;

  /** @param key the account key, base64. */
  constructor(key: string) {
    this.#key = createSecretKey(Buffer.from(key, 'base64'));
  }

  /** @throws {Refusal} 401 for a wrong or missing signature, 403 for one made more than 15 minutes from now. */
  verify(request: IncomingMessage, address: Address): void {
    const { authorization } = request.headers;
    if (!authorization) throw new Refusal(401, 'Required Header authorization is missing. Ensure a valid Authorization token is passed.');
    const token = decode(authorization);
    if (token.startsWith('type=aad'))
      throw new Refusal(401, 'The local twin takes master-key signatures only: Microsoft Entra tokens (type=aad) are not modelled.');
    if (token.startsWith('type=resource'))
      throw new Refusal(401, 'The local twin takes master-key signatures only: resource tokens are not modelled.');
    const date = request.headers['x-ms-date'] ?? request.headers.date;
    if (typeof date !== 'string' || !token.startsWith(prefix)) throw wrongSignature('');

    const payload = `${request.method?.toLowerCase()}\n${address.type.toLowerCase()}\n${address.link}\n${date.toLowerCase()}\n\n`;
    const expected = createHmac('sha256', this.#key).update(payload).digest();
    const given = Buffer.from(token.slice(prefix.length), 'base64');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw wrongSignature(payload);
    if (!(Math.abs(Date.parse(date) - Date.now()) <= allowedSkew)) {
      const now = new Date().toUTCString();
      throw new Refusal(
        403,
        `The authorization token is not valid at the current time. Please create another token and retry (token time: ${date}, current server time: ${now}).`,
      );
    }
  }
}

function decode(header: string): string {
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}

function wrongSignature(payload: string): Refusal {
  return new Refusal(
    401,
    `The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol. Server used the following payload to sign: '${payload}'`,
  );
}
