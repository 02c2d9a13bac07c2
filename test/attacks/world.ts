// What the attack table attacks with: made with the keys of two tenants (and the platform's, where given) on any deployment, and taken away again.
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { iso, now, randomName } from '../../shared/clock/clock.ts';
import { type Role, roles, type Scope, tenantScopes } from '../../shared/identity/scopes.ts';
import { cardOf } from '../flowgrid.ts';
import { Document, type Row, rowsOf } from '../functions/operations.ts';
import { type Answer, type Ask, nameOf } from './attack.ts';
import { type Claims, falseTokens, goodClaims, goodHeader, type Issuer, newIssuer, signed } from './tokens.ts';

/** `local.json` is one. */
export interface Deployment {
  readonly platformKey?: string | undefined;
  readonly tenants: readonly { readonly id: string; readonly apiKey: string }[];
}

interface Party {
  readonly id: string;
  readonly key: string;
}

export interface World {
  readonly ask: Ask;
  readonly rows: readonly Row[];
  /** The attacked tenant and who attacks it. */
  readonly victim: Party;
  readonly intruder: Party;
  readonly platformKey: string | undefined;
  /** An agent of the victim's, and its own key. */
  readonly agent: Party;
  /** Of some key of the victim's. */
  readonly keyId: string;
  /** Texts that lie in what is the victim's and may be in no answer of the table. */
  readonly canaries: readonly string[];
  /** Keys of the victim that no longer hold; `why` there are none. */
  readonly keys: { readonly expired?: string; readonly revoked?: string; readonly rotated?: string; readonly why: string };
  readonly suspended: { readonly id: string; readonly key: string | undefined; readonly why: string };
  /** By column. */
  readonly tokens: Readonly<Record<string, readonly string[]>>;
  /** What whoever reads the report should know. */
  readonly notes: readonly string[];
  /** A key of the victim's that holds all scopes but this one; undefined where none can be made. */
  keyWithout(scope: Scope): Promise<string | undefined>;
  keyOf(role: Role): Promise<string | undefined>;
  /** Whether what was planted with the attacked tenant is still there, as it was, and is found where it may be. */
  isWhole(): Promise<boolean>;
  /** Takes away what was made; answers what could not be. */
  close(): Promise<string[]>;
}

/** What has changed shows everywhere after this long (api.md). */
const promisedMs = 2_500;

export async function prepare(ask: Ask, { platformKey, tenants }: Deployment): Promise<World> {
  const document = Document.parse((await ask('GET', '/api/openapi.json', {})).body);
  const rows = rowsOf(document);
  const [first, second] = tenants;
  if (!first || !second || first.id === second.id) throw new Error('the keys of two different tenants are needed');
  const victim = { id: first.id, key: first.apiKey };
  const intruder = { id: second.id, key: second.apiKey };
  const has = (name: string) => rows.some((row) => nameOf(row) === name);
  const undo: [what: string, work: () => Promise<Answer>][] = [];
  const notes: string[] = [];

  async function made<Body>(method: string, path: string, key: string | undefined, json?: unknown): Promise<Body> {
    const answer = await ask(method, path, { key, ...(json !== undefined && { json }) });
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status} ${JSON.stringify(answer.body)}`);
    // The shapes are api.md's.
    return answer.body as Body;
  }

  const canary = `canary-${randomName(20)}`;
  const agentId = `prove-${randomName(8)}`;
  const owned = `/tenants/${victim.id}`;
  const environment = await made<Record<string, string>>('POST', `${owned}/agents/${agentId}/environment`, victim.key);
  const agent = { id: agentId, key: environment['FLOWGRID_API_TOKEN'] ?? '' };
  const register = { card: { ...cardOf(agentId), description: canary }, metadata: { canary }, ttlSeconds: 3_600 };
  await made('POST', `/api/registry/agents/${agentId}/register`, agent.key, register);
  undo.push([`agent ${agentId}`, () => ask('DELETE', `/api/registry/agents/${agentId}/unregister`, { key: victim.key })]);

  const revoke = (keyId: string) => ask('DELETE', `${owned}/api-keys/${keyId}`, { key: victim.key });
  const canMakeKeys = has('POST /tenants/{tenantId}/api-keys');
  const whyNot = canMakeKeys ? '' : 'not run: the deployment has no POST /tenants/{tenantId}/api-keys';
  if (canMakeKeys) undo.push([`the key of agent ${agentId}`, () => revoke(keyIdOf(agent.key))]);
  else notes.push(`the key of agent ${agentId} stays: there is no way to revoke it`);
  const newKey = async (order: object): Promise<{ keyId: string; key: string }> => {
    const key = await made<{ keyId: string; key: string }>('POST', `${owned}/api-keys`, victim.key, { name: 'prove-isolation', ...order });
    undo.push([`key ${key.keyId}`, () => revoke(key.keyId)]);
    return key;
  };
  const known = new Map<string, Promise<string | undefined>>();
  const once = (name: string, make: () => Promise<string | undefined>) => {
    const key = known.get(name) ?? make();
    known.set(name, key);
    return key;
  };

  let keys: World['keys'] = { why: whyNot };
  let keyId = keyIdOf(victim.key);
  if (canMakeKeys) {
    const { key: expired } = await newKey({ role: 'owner', expiresAt: iso(now() + 2_000) });
    const revoked = await newKey({ role: 'owner' });
    const rotated = await newKey({ role: 'owner' });
    await revoke(revoked.keyId);
    const next = await made<{ keyId: string }>('POST', `${owned}/api-keys/${rotated.keyId}/rotate`, victim.key, { graceSeconds: 0 });
    undo.push([`key ${next.keyId}`, () => revoke(next.keyId)]);
    keyId = (await newKey({ role: 'viewer' })).keyId;
    keys = { expired, revoked: revoked.key, rotated: rotated.key, why: '' };
  }

  const suspended = await suspend();
  const { tokens, stop } = await forge();
  if (canMakeKeys || suspended.key !== undefined) await wait(promisedMs);

  async function suspend(): Promise<World['suspended']> {
    if (platformKey === undefined) return { id: '', key: undefined, why: 'not run: no platform key was given' };
    if (!has('POST /tenants/{tenantId}/suspend'))
      return { id: '', key: undefined, why: 'not run: the deployment has no POST /tenants/{tenantId}/suspend' };
    const id = `prove-${randomName(8)}`;
    const { ownerKey } = await made<{ ownerKey: { key: string } }>('POST', '/tenants', platformKey, { id, name: 'prove-isolation' });
    undo.push([`tenant ${id}`, () => ask('DELETE', `/tenants/${id}`, { key: platformKey })]);
    for (let left = 200; left > 0; left--) {
      const { status } = await made<{ status: string }>('GET', `/tenants/${id}`, platformKey);
      if (status === 'active') break;
      await wait(50);
    }
    await made('POST', `/tenants/${id}/suspend`, platformKey);
    return { id, key: ownerKey.key, why: '' };
  }

  /** Issuers of our own, trusted where the deployment can reach us; where it cannot, the tokens are a stranger's as well. */
  async function forge(): Promise<{ tokens: World['tokens']; stop: () => void }> {
    const base = document.servers[0]?.url ?? '';
    const sets = new Map<string, Claims>();
    const server = createServer(({ url = '' }, response) => {
      const jwk = sets.get(url);
      response.writeHead(jwk ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: jwk ? [jwk] : [] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const isNear = /^https?:\/\/(127\.|localhost|\[::1\])/.test(base);
    const host = isNear ? `http://127.0.0.1:${port}` : 'https://issuer.invalid';
    const issuer = newIssuer(`${host}/one`);
    const others = newIssuer(`${host}/two`);
    for (const { url, publicJwk } of [issuer, others]) sets.set(`${new URL(url).pathname}/keys`, publicJwk);
    const audience = `${base}/t/${victim.id}`;
    const trusted =
      isNear && has('PUT /tenants/{tenantId}/issuers/{name}') && (await trust(victim, issuer)) && (await trust(intruder, others));
    const good = signed(goodHeader(issuer), goodClaims(issuer, audience), issuer.privateKey);
    const isTaken = trusted && (await ask('GET', '/api/auth/whoami', { headers: { authorization: `Bearer ${good}` } })).status === 200;
    notes.push(
      isTaken
        ? 'forged tokens are those of an issuer that the attacked tenant trusts, with one thing wrong; the same token without it is taken'
        : 'forged tokens are of an issuer nobody trusts: it could not be made known to this deployment',
    );
    const ours = has('POST /api/auth/token')
      ? await made<{ access_token: string; refresh_token: string }>('POST', '/api/auth/token', undefined, {
          grant_type: 'client_credentials',
          client_secret: victim.key,
        })
      : undefined;
    const published = await ask('GET', '/.well-known/jwks.json', {});
    const ourKeys = published.status === 200 ? (published.body as { keys: Claims[] }).keys : [];
    const tokens = falseTokens({
      issuer,
      others,
      audience,
      othersAudience: `${base}/t/${intruder.id}`,
      ourKeys,
      ours: ours && { access: ours.access_token, refresh: ours.refresh_token },
    });
    return { tokens, stop: () => server.close() };
  }

  async function trust({ id, key }: Party, { url }: Issuer): Promise<boolean> {
    const path = `/tenants/${id}/issuers/prove-${randomName(8)}`;
    const json = { issuer: url, jwksUri: `${url}/keys`, roleClaim: 'role', roleMap: { owner: 'owner' } };
    const answer = await ask('PUT', path, { key, json });
    if (answer.status >= 300) return false;
    undo.push([path, () => ask('DELETE', path, { key })]);
    return true;
  }

  return {
    ask,
    rows,
    victim,
    intruder,
    platformKey,
    agent,
    keyId,
    canaries: [canary],
    keys,
    suspended,
    tokens,
    notes,
    keyWithout: (scope) =>
      once(scope, async () => {
        const isAgents = (roles.agent as readonly Scope[]).includes(scope);
        if (!canMakeKeys) return isAgents ? undefined : agent.key;
        return (await newKey({ scopes: tenantScopes.filter((each) => each !== scope) })).key;
      }),
    keyOf: (role) =>
      once(`role ${role}`, async () => {
        if (!canMakeKeys) return role === 'agent' ? agent.key : undefined;
        return (await newKey({ role })).key;
      }),
    isWhole: async () => {
      const { status, body } = await ask('GET', `/api/registry/agents/${agentId}`, { key: victim.key });
      return status === 200 && JSON.stringify(body).includes(canary);
    },
    async close() {
      stop();
      const left: string[] = [];
      for (const [what, work] of undo.reverse()) {
        const { status } = await work();
        if (status >= 300 && status !== 404) left.push(`${what} (${status})`);
      }
      return left;
    },
  };
}

function keyIdOf(key: string): string {
  return key.split('_')[2] ?? '';
}
