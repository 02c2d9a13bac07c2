// Tokens that must not be taken: each a good one of an issuer the attacked tenant trusts with one thing changed (protocols 9, the list for the JWT
// chain), and our own with one thing changed.
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

export type Claims = Readonly<Record<string, unknown>>;

/** An issuer whose key pair is in our hands. */
export interface Issuer {
  readonly url: string;
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: Claims;
}

export function newIssuer(url: string): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = randomUUID();
  return { url, kid, privateKey, publicJwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' } };
}

const base64url = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS over these very texts or values. */
export function signed(header: unknown, claims: unknown, privateKey: KeyObject): string {
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

function macSigned(header: Claims, claims: Claims, secret: string | Buffer): string {
  const input = `${base64url(header)}.${base64url(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function goodHeader({ kid }: Issuer): Claims {
  return { alg: 'ES256', typ: 'at+jwt', kid };
}

export function goodClaims({ url }: Issuer, audience: string): Claims {
  const now = Math.floor(Date.now() / 1_000);
  return { iss: url, aud: audience, sub: 'somebody', iat: now, exp: now + 300, role: 'owner' };
}

export interface Parties {
  /** Trusted by the attacked tenant. */
  readonly issuer: Issuer;
  /** Trusted by the other tenant, with the same kid and claims. */
  readonly others: Issuer;
  /** The attacked tenant's audience, and the other tenant's. */
  readonly audience: string;
  readonly othersAudience: string;
  /** What the platform itself publishes, and a token of its own for the attacked tenant, where it gives any. */
  readonly ourKeys: readonly Claims[];
  readonly ours: { readonly access: string; readonly refresh: string } | undefined;
}

/** By column: tokens of the one family of fault. */
export function falseTokens({ issuer, others, audience, othersAudience, ourKeys, ours }: Parties): Record<string, string[]> {
  const header = goodHeader(issuer);
  const claims = goodClaims(issuer, audience);
  const { iat: issued } = claims as { iat: number };
  const stranger = newIssuer(issuer.url);
  const by = (changed: object, head: object = {}, key = issuer.privateKey) =>
    signed({ ...header, ...head }, { ...claims, ...changed }, key);
  const without = (name: string) => {
    const { [name]: _, ...rest } = claims;
    return signed(header, rest, issuer.privateKey);
  };
  const good = by({});
  const [head = '', body = '', signature = ''] = good.split('.');
  const text = (value: Claims, twice: string) => JSON.stringify(value).replace(/\}$/, `,${twice}}`);
  const bring = { jwk: stranger.publicJwk };
  const brought = ['jku', 'x5u'].map((name) => by({}, { [name]: `${others.url}/keys`, kid: stranger.kid }, stranger.privateKey));
  const keys = [issuer.publicJwk, ...ourKeys];

  return {
    'a token with alg none': ['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg) => [
      `${base64url({ ...header, alg })}.${body}.`,
      `${base64url({ ...header, alg })}.${body}.${signature}`,
    ]),
    'a token signed HS256 with the public key': keys.flatMap((jwk) =>
      secretsOf(jwk).map((secret) => macSigned({ ...header, alg: 'HS256', kid: jwk['kid'] }, claims, secret)),
    ),
    'a token without its signature': [`${head}.${body}.`, `${head}.${body}`],
    'a token with a null signature': [Buffer.alloc(64), Buffer.alloc(0), Buffer.alloc(32)].map(
      (zero) => `${head}.${body}.${zero.toString('base64url')}A`,
    ),
    'a token signed by a stranger': [
      by({}, {}, stranger.privateKey),
      by({}, { kid: stranger.kid }, stranger.privateKey),
      by({}, { kid: undefined }, stranger.privateKey),
    ],
    'a token of another algorithm': ['ES384', 'RS256', 'PS256', 'EdDSA', 'HS256', 'ES256K'].map((alg) => by({}, { alg })),
    'a token that has ended': [by({ iat: issued - 900, exp: issued - 120 }), by({ exp: 0 }), by({ exp: -1 })],
    'a token of the future': [by({ nbf: issued + 3_600, exp: issued + 4_000 }), by({ iat: issued + 3_600, exp: issued + 4_000 })],
    'a token without end': [without('exp'), by({ exp: null }), by({ exp: String(issued + 300) }), by({ exp: issued + 10 * 86_400 })],
    'a token without a subject': [without('sub'), by({ sub: '' }), by({ sub: 5 })],
    'a token for another audience': [
      by({ aud: othersAudience }),
      by({ aud: [audience, othersAudience] }),
      by({ aud: `${audience}/` }),
      by({ aud: `${audience}x` }),
      by({ aud: 'https://elsewhere.example' }),
      without('aud'),
    ],
    "a token of another tenant's issuer": [
      signed(goodHeader(others), goodClaims(others, audience), others.privateKey),
      signed({ ...goodHeader(others), kid: issuer.kid }, goodClaims(others, audience), others.privateKey),
      by({ iss: others.url }),
      by({ iss: `${issuer.url}/` }),
      without('iss'),
      signed({ ...header, kid: others.kid }, claims, others.privateKey),
    ],
    'an ID token as an access token': [
      by({ nonce: 'n' }, { typ: 'JWT' }),
      by({ at_hash: 'x' }, { typ: 'JWT' }),
      by({ aud: [audience, 'client'] }, { typ: 'JWT' }),
      by({}, { typ: 'logout+jwt' }),
      by({}, { typ: 'dpop+jwt' }),
    ],
    'a token that brings its own key': [
      by({}, bring, stranger.privateKey),
      by({}, { ...bring, kid: stranger.kid }, stranger.privateKey),
      ...brought,
      by({}, { x5c: ['MIIB'] }, stranger.privateKey),
    ],
    'a token whose kid is a path': [
      '../../../../dev/null',
      '/dev/null',
      'file:///dev/null',
      `${others.url}/keys`,
      "' OR '1'='1",
      issuer.kid.toUpperCase(),
      '*',
    ].flatMap((kid) => [by({}, { kid }, stranger.privateKey), macSigned({ ...header, alg: 'HS256', kid }, claims, '')]),
    'a token with an unknown crit': [
      by({}, { crit: ['unheard-of'], 'unheard-of': true }),
      by({}, { crit: ['exp'] }),
      by({}, { crit: [] }),
      by({}, { crit: 'b64', b64: true }),
      by({}, { crit: ['b64'], b64: false }),
    ],
    'a token with members twice': [
      signed(header, text(claims, `"aud":${JSON.stringify(audience)}`), issuer.privateKey),
      signed(header, text(claims, '"role":"owner"'), issuer.privateKey),
      signed(text(header, '"alg":"ES256"'), claims, issuer.privateKey),
      signed(header, text(claims, '"\\u0073ub":"another"'), issuer.privateKey),
    ],
    'a token that is too large': [by({ padding: 'x'.repeat(13_000) })],
    'a token in another form': [
      `${good}=`,
      `${good}.`,
      `${head}.${body}.${signature}.${signature}`,
      good.replace('.', '..'),
      `${head}.${body}.${signature}`.replace(/\./g, '%2E'),
      base64url({ payload: body, protected: head, signature }),
      signed('[]', claims, issuer.privateKey),
      signed(header, '[]', issuer.privateKey),
      signed(header, 'null', issuer.privateKey),
    ],
    'our own token changed': ours ? tampered(ours.access) : [],
    'a refresh token as an access token': ours ? [ours.refresh] : [],
  };
}

/** Every part of one of our tokens, changed. */
function tampered(token: string): string[] {
  const [head = '', body = '', signature = ''] = token.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString());
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  const at = Math.floor(signature.length / 2);
  return [
    `${head}.${body}.${signature.slice(0, at)}${signature[at] === 'A' ? 'B' : 'A'}${signature.slice(at + 1)}`,
    `${head}.${base64url({ ...claims, role: 'owner', exp: claims.exp + 1 })}.${signature}`,
    `${head}.${base64url({ ...claims, tenant_id: `${claims.tenant_id}x` })}.${signature}`,
    `${base64url({ ...header, alg: 'none' })}.${body}.`,
    `${base64url({ ...header, alg: 'HS256' })}.${body}.${signature}`,
    `${head}.${body}.`,
  ];
}

/** A public key in all the forms that a careless verifier could take for a shared secret. */
function secretsOf(jwk: Claims): (string | Buffer)[] {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  return [
    pem,
    pem.trim(),
    key.export({ type: 'spki', format: 'der' }),
    JSON.stringify(jwk),
    Buffer.from(String(jwk['x']), 'base64url'),
    '',
  ];
}
