// A demo identity provider: `oidc-provider`, where anybody signs in under any name without a password. It is read at the first request, so that a
// start that nobody signs in to pays nothing for it.
import { generateKeyPair } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Configuration, JWK, Provider } from 'oidc-provider';
import { withHttpFaults } from '../faults.ts';
import { readBody, sendJson, serveHttp } from '../http.ts';
import type { Service, ServiceOptions } from '../service.ts';

export const clientId = 'flowgrid';

/**
 * Serves one client, `flowgrid`, with this secret. It may come back to `/auth/callback/{idp|second}` of any loopback port, and get JWT access tokens
 * for any `resource`, for itself (`client_credentials`) or for whoever signed in.
 */
export async function startIdentityProvider(options: ServiceOptions & { readonly clientSecret: string }): Promise<Service> {
  let opened: Promise<Opened> | undefined;
  const service: Service = await serveHttp(options.port, (request, response) => {
    const struck = (status: 429 | 500) => sendJson(response, status, { error: 'temporarily_unavailable' });
    return withHttpFaults(options.faults, 'upstream', request, response, struck, async () => {
      opened ??= open(`http://127.0.0.1:${service.port}`, options);
      const { provider, callback } = await opened;
      const path = (request.url ?? '').split('?')[0] ?? '';
      if (/^\/interaction\/[\w-]+$/.test(path)) await interact(provider, request, response);
      else await callback(request, response);
    });
  });
  return service;
}

interface Opened {
  readonly provider: Provider;
  readonly callback: ReturnType<Provider['callback']>;
}

async function open(issuer: string, options: ServiceOptions & { readonly clientSecret: string }): Promise<Opened> {
  const [{ Provider, interactionPolicy }, key] = await Promise.all([
    import('oidc-provider'),
    signingKey(join(options.folder, 'identity-provider.json')),
  ]);
  const hosts = ['127.0.0.1', 'localhost', '[::1]'];
  const callbacks = ['idp', 'second'].flatMap((name) => hosts.map((host) => `http://${host}/auth/callback/${name}`));
  const policy = interactionPolicy.base();
  policy.remove('consent');
  const configuration: Configuration = {
    clients: [
      {
        client_id: clientId,
        client_secret: options.clientSecret,
        // A native client's loopback addresses are compared without their ports (RFC 8252, 7.3), which differ from start to start.
        application_type: 'native',
        redirect_uris: callbacks,
        grant_types: ['authorization_code', 'client_credentials'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: [options.clientSecret] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ ...claimsOf(id) }) }),
    // Whoever signs in agrees to everything: there is one client, and it is ours.
    interactions: { policy, url: (_context, { uid }) => `/interaction/${uid}` },
    loadExistingGrant: async ({ oidc }) => {
      const { session, client, requestParamScopes, resourceServers } = oidc;
      const accountId = session?.accountId;
      if (!client || accountId === undefined) return undefined;
      const grant = new oidc.provider.Grant({ clientId: client.clientId, accountId });
      grant.addOIDCScope([...requestParamScopes].join(' '));
      for (const resource of Object.keys(resourceServers ?? {})) grant.addResourceScope(resource, 'flowgrid');
      await grant.save();
      return grant;
    },
    extraTokenClaims: (_context, token) =>
      'accountId' in token ? { roles: ['person'], ...claimsOf(token.accountId) } : { roles: ['service'] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, audience) => ({
          scope: 'flowgrid',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3_600,
          jwt: { sign: { alg: 'RS256' } },
        }),
        useGrantedResource: () => true,
      },
    },
    ttl: {
      AccessToken: 3_600,
      AuthorizationCode: 60,
      ClientCredentials: 3_600,
      Grant: 3_600,
      IdToken: 3_600,
      Interaction: 3_600,
      Session: 86_400,
    },
  };
  const provider = new Provider(issuer, configuration);
  return { provider, callback: provider.callback() };
}

/** Of an account, whose id is the name that was signed in with. Only `unverified.…` has an address nobody has checked. */
function claimsOf(id: string): { sub: string; name: string; email: string; email_verified: boolean } {
  return { sub: id, name: id, email: id.includes('@') ? id : `${id}@example.com`, email_verified: !id.startsWith('unverified.') };
}

/** The same on every start of one data folder. */
async function signingKey(file: string): Promise<JWK> {
  // Written by us alone, so its shape is known.
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as JWK;
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: 'flowgrid-idp-1', use: 'sig', alg: 'RS256' } as JWK;
  writeFileSync(file, JSON.stringify(key), { mode: 0o600 });
  return key;
}

const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:24em;margin:4em auto;padding:0 1em}input,button{font:inherit;padding:.4em}</style>
<h1>Demo identity provider</h1><p>Any name will do; there is no password. It is for development only.</p>
<form method="post"><p><label>Name <input name="login" required autofocus pattern="[A-Za-z0-9._@+-]{1,100}"></label>
<button>Sign in</button></p></form><form method="post"><button name="cancel" value="1">Cancel</button></form></html>`;

/** The login page, and what it sends. */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page);
    return;
  }
  const form = new URLSearchParams((await readBody(request, 4_096)).toString());
  const accountId = form.get('login') ?? '';
  if (form.has('cancel')) await provider.interactionFinished(request, response, { error: 'access_denied' });
  else if (/^[A-Za-z0-9._@+-]{1,100}$/.test(accountId)) await provider.interactionFinished(request, response, { login: { accountId } });
  else response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' }).end(page);
}
