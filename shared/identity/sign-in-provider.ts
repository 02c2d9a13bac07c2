// One identity provider that people sign in with (OpenID Connect Core 1.0, code flow with PKCE), reached through the guarded fetch alone.
import { createHash, createHmac } from 'node:crypto';
import type { AuthorizationServer, Client, CustomFetchOptions, IDToken } from 'oauth4webapi';
import type { SignInProvider as Settings } from '../config/config.ts';
import { Problem } from '../errors/problem.ts';
import { fetchWhole } from '../outbound/document.ts';
import type { Outbound } from '../outbound/outbound.ts';

/** One try to sign in: what the provider must bring back, and where to. Nonce and verifier are made of the browser's secret. */
export interface Attempt {
  readonly state: string;
  readonly secret: string;
  readonly redirectUri: string;
}

/** What the provider says of whoever signed in. */
export interface Profile {
  readonly sub: string;
  readonly name?: string;
  /** Only when the provider has verified it; in lower case. */
  readonly email?: string;
}

const timeoutMs = 8_000;
const maxBytes = 262_144;
const retry = { headers: { 'Retry-After': '5' } };

/** The provider was not reached, or did not answer as one. */
class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

export class SignInProvider {
  readonly #settings: Settings;
  readonly #outbound: Outbound;
  readonly #insecure: boolean;
  /** In flight or known; a failure is forgotten, so that the next who comes tries again. */
  #server: Promise<AuthorizationServer> | undefined;

  /** `insecure` lets the provider be reached over http: the outbound rules say that it is on loopback then. */
  constructor(settings: Settings, outbound: Outbound, insecure: boolean) {
    this.#settings = settings;
    this.#outbound = outbound;
    this.#insecure = insecure;
  }

  get name(): string {
    return this.#settings.name;
  }

  /** Where the browser goes to sign in. */
  async authorizationUrl(attempt: Attempt): Promise<URL | Problem> {
    const server = await this.#discover().catch(() => undefined);
    const endpoint = server?.authorization_endpoint;
    if (endpoint === undefined || !URL.canParse(endpoint) || !this.#outbound.allows(new URL(endpoint)))
      return new Problem('sign_in_unavailable', retry);
    const url = new URL(endpoint);
    const parameters = {
      client_id: this.#settings.clientId,
      response_type: 'code',
      redirect_uri: attempt.redirectUri,
      scope: 'openid email profile',
      state: attempt.state,
      nonce: derived(attempt, 'nonce'),
      code_challenge: createHash('sha256').update(derived(attempt, 'verifier')).digest('base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return url;
  }

  /**
   * Who signed in, from what came back: `state` and `iss` (RFC 9207) agree, the code is exchanged with the verifier, and the ID token, which comes
   * straight from the provider (Core 3.1.3.7, 6), holds our nonce.
   */
  async profile(attempt: Attempt, parameters: URLSearchParams): Promise<Profile | Problem> {
    const oauth = await import('oauth4webapi');
    const options = { [oauth.customFetch]: this.#fetch, [oauth.allowInsecureRequests]: this.#insecure };
    const client: Client = { client_id: this.#settings.clientId, [oauth.clockTolerance]: 60 };
    try {
      const server = await this.#discover();
      const answer = oauth.validateAuthResponse(server, client, parameters, attempt.state);
      const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
      const authenticate = methods.includes('client_secret_basic') ? oauth.ClientSecretBasic : oauth.ClientSecretPost;
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        authenticate(this.#settings.clientSecret),
        answer,
        attempt.redirectUri,
        derived(attempt, 'verifier'),
        options,
      );
      const expected = { expectedNonce: derived(attempt, 'nonce'), requireIdToken: true };
      const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, expected);
      const claims = oauth.getValidatedIdTokenClaims(tokens);
      if (!claims) return new Problem('sign_in_invalid');
      if (claims['email'] !== undefined || server.userinfo_endpoint === undefined) return profileOf(claims);
      // Some providers keep the ID token thin.
      const more = await oauth.userInfoRequest(server, client, tokens.access_token, options);
      return profileOf({ ...(await oauth.processUserInfoResponse(server, client, claims.sub, more)), sub: claims.sub });
    } catch (error) {
      if (error instanceof Unavailable) return new Problem('sign_in_unavailable', retry);
      if (error instanceof oauth.AuthorizationResponseError) return new Problem('sign_in_refused');
      if (error instanceof oauth.ResponseBodyError || error instanceof oauth.OperationProcessingError)
        return new Problem('sign_in_invalid');
      throw error;
    }
  }

  #discover(): Promise<AuthorizationServer> {
    this.#server ??= this.#readMetadata().catch((error: unknown) => {
      this.#server = undefined;
      throw new Unavailable('no discovery document', { cause: error });
    });
    return this.#server;
  }

  async #readMetadata(): Promise<AuthorizationServer> {
    const oauth = await import('oauth4webapi');
    const issuer = new URL(this.#settings.issuer);
    const options = { [oauth.customFetch]: this.#fetch, [oauth.allowInsecureRequests]: this.#insecure };
    return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  }

  readonly #fetch = async (url: string, { method, headers, body }: CustomFetchOptions<string, unknown>): Promise<Response> => {
    const answer = await fetchWhole(this.#outbound, {
      method: method === 'POST' ? 'POST' : 'GET',
      url: new URL(url),
      headers,
      ...(body !== undefined && { body: String(body) }),
      timeoutMs,
      maxBytes,
    });
    if (answer.kind !== 'whole' || answer.status >= 500) throw new Unavailable(answer.kind);
    const given = Object.entries(answer.headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((each): [string, string] => [name, each]),
    );
    return new Response(answer.body.length > 0 ? new Uint8Array(answer.body) : null, { status: answer.status, headers: given });
  };
}

function profileOf(claims: Pick<IDToken, 'sub'> & Readonly<Record<string, unknown>>): Profile | Problem {
  const { sub, name, email, email_verified: verified } = claims;
  // RFC 7519 sets no bound; Core 2 says ASCII of at most 255 characters.
  if (!/^[\x21-\x7e]{1,255}$/.test(sub)) return new Problem('sign_in_invalid');
  return {
    sub,
    ...(typeof name === 'string' && name.length <= 200 && { name }),
    ...(typeof email === 'string' && email.length <= 254 && verified === true && { email: email.toLowerCase() }),
  };
}

/** 256 bits that only the browser's secret gives: what is stored of an attempt is not enough to finish it. */
function derived({ secret, state }: Attempt, purpose: 'nonce' | 'verifier'): string {
  return createHmac('sha256', secret).update(`${purpose} ${state}`).digest('base64url');
}
