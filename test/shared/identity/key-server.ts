// A key server for tests: an issuer whose discovery document and keys the test decides, and counts.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type CompactJWSHeaderParameters, CompactSign } from 'jose';

export interface SigningKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** As it stands in a key set. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

export function makeKey(kid: string, alg: 'ES256' | 'ES384' | 'RS256' | 'PS256' | 'EdDSA' = 'ES256'): SigningKey {
  const pair =
    alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : alg === 'ES256' || alg === 'ES384'
        ? generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' })
        : generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return { kid, alg, ...pair, jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
}

/** A token with these claims; `header` adds to `alg`, `kid` and `typ: at+jwt`. */
export function sign(key: SigningKey, claims: unknown, header: Partial<CompactJWSHeaderParameters> = {}): Promise<string> {
  const payload = typeof claims === 'string' ? claims : JSON.stringify(claims);
  return new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
    .sign(key.privateKey);
}

export class KeyServer {
  keys: readonly Readonly<Record<string, unknown>>[] = [];
  /** Paths in the order they were asked for. */
  readonly asked: string[] = [];
  /** Stands in for both documents. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  readonly #server: Server;
  issuer = '';

  constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push(request.url ?? '');
      if (this.instead) return this.instead(request, response);
      const isDiscovery = request.url === '/.well-known/openid-configuration';
      const body = isDiscovery ? { issuer: this.issuer, jwks_uri: `${this.issuer}/keys` } : { keys: this.keys };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening on a port');
    this.issuer = `http://127.0.0.1:${address.port}`;
    return this;
  }

  /** How often keys were fetched. */
  get fetches(): number {
    return this.asked.filter((path) => path === '/keys').length;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
