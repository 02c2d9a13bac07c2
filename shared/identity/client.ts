// How an OAuth client says who it is (RFC 6749, 2.3.1): in the body, or by HTTP Basic.
import { Problem } from '../errors/problem.ts';

export interface Client {
  /** Of the API key that is the secret. */
  readonly id?: string;
  readonly secret?: string;
}

/** A Problem when there is more than one secret, or a header that is none. */
export function readClient(authorization: string | undefined, id: string | undefined, secret: string | undefined): Client | Problem {
  if (authorization === undefined) return { ...(id !== undefined && { id }), ...(secret !== undefined && { secret }) };
  if (secret !== undefined) return new Problem('invalid_request', { detail: 'The client authenticates in the header and in the body.' });
  const basic = readBasic(authorization);
  if (!basic || (basic.id !== undefined && id !== undefined && basic.id !== id)) return invalidClient();
  return id === undefined ? basic : { ...basic, id };
}

/** RFC 6749, 5.2: 401, and a challenge for the one scheme that clients may use. */
export function invalidClient(): Problem {
  return new Problem('invalid_client', { headers: { 'WWW-Authenticate': 'Basic realm="flowgrid"' } });
}

/** Both parts are form-encoded before they are joined; no key of ours looks otherwise then. */
function readBasic(authorization: string): Client | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
  try {
    const [name, password] = [id, secret].map((part) => decodeURIComponent((part ?? '').replaceAll('+', ' ')));
    return password ? { secret: password, ...(name && { id: name }) } : undefined;
  } catch {
    return undefined;
  }
}
