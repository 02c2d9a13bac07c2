// The columns of the attack table: each a way to call a function that must not work, and what is answered then.
import { makeCursor } from '../../shared/context/cursor.ts';
import { roleNames, roles, type Scope } from '../../shared/identity/scopes.ts';
import type { Row } from '../functions/operations.ts';
import { type Attack, type Cell, type Column, nameOf, type Twist } from './attack.ts';
import { open, samples } from './samples.ts';
import type { World } from './world.ts';

export const isOpen = ({ operation }: Row): boolean => operation.security.length === 0;
export const scopesOf = ({ operation }: Row): string[] =>
  [...(operation.description ?? '').matchAll(/`([a-z]+:[a-z]+)`/g)].map(([, scope = '']) => scope);
const tenantScopesOf = (row: Row): Scope[] => scopesOf(row).filter((scope): scope is Scope => !scope.startsWith('platform:'));
const isOfPlatform = (row: Row): boolean => scopesOf(row).length > 0 && tenantScopesOf(row).length === 0;

const unauthenticated = ['401 unauthenticated'];
const notOurs = { because: 'a tenant named by the platform team is no attempt: it may name any, and reads none of what is theirs' };

const expecting = (expected: string, ...attempts: Twist[]): Attack => ({ expected: [expected], attempts });

/** What is no credential is refused by every function that asks for one. */
const refused =
  (twists: (world: World) => readonly Twist[] | string | Promise<readonly Twist[] | string>): Column =>
  async (row, world): Promise<Cell> => {
    if (isOpen(row)) return open;
    const attempts = await twists(world);
    return typeof attempts === 'string' ? { because: attempts } : { expected: unauthenticated, attempts };
  };

/** Bearer and nothing else. */
export const bearing = (credential: string): Twist => ({ key: undefined, headers: { authorization: `Bearer ${credential}` } });

/** A tenant named beside the path: who may call as a tenant is refused, whoever else has no tenant to be mistaken for. */
const elsewhere =
  (twists: (row: Row, world: World) => readonly Twist[] | string): Column =>
  (row, world): Cell => {
    if (isOpen(row)) return open;
    if (isOfPlatform(row)) return notOurs;
    const attempts = twists(row, world);
    if (typeof attempts === 'string') return { because: attempts };
    const { key, id: tenant } = world.intruder;
    return { expected: ['403 tenant_mismatch'], attempts: attempts.map((twist) => ({ ...twist, key, tenant })) };
  };

function flipped(key: string): string {
  const at = key.length - 20;
  return key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1);
}

const credentials: Readonly<Record<string, Column>> = {
  'no credential': refused(() => [{ key: undefined }, { key: undefined, headers: { cookie: 'session=1' } }]),
  'a key that is none': refused(() => [
    { key: 'fg_garbage' },
    { key: '' },
    ...['Bearer', 'Bearer  ', 'Bearer fg_garbage', 'Basic Zm86YmFy', 'Negotiate x'].map((authorization) => ({
      key: undefined,
      headers: { authorization },
    })),
  ]),
  'a key with one character changed': refused(({ victim, platformKey }) =>
    [victim.key, platformKey].flatMap((key) => (key === undefined ? [] : { key: flipped(key) })),
  ),
  'a key in the wrong place': refused(({ victim }) => [
    ...['api_key', 'apiKey', 'access_token', 'x-api-key', 'token', 'key'].map((name) => ({
      key: undefined,
      query: `${name}=${victim.key}`,
    })),
    { key: undefined, query: `headers=${encodeURIComponent(JSON.stringify({ 'x-api-key': victim.key }))}` },
    { key: undefined, headers: { cookie: `__Host-flowgrid=${victim.key}` } },
    { key: undefined, headers: { authorization: `Basic ${btoa(`:${victim.key}`)}` } },
  ]),
  'two keys that differ': refused(({ victim, intruder }) => [
    { key: victim.key, headers: { authorization: `Bearer ${intruder.key}` } },
    { key: intruder.key, headers: { authorization: `Bearer ${victim.key}` } },
  ]),
  'a development identity': refused(({ victim }) => [{ key: undefined, headers: { 'x-dev-tenant': victim.id, 'x-dev-user': 'somebody' } }]),
  'a session cookie that is none': refused(() => [
    { key: undefined, headers: { cookie: '__Host-flowgrid=garbage' } },
    { key: undefined, headers: { cookie: `__Host-flowgrid=${'a'.repeat(43)}`, origin: 'https://elsewhere.example' } },
  ]),
  'a passport as a credential': refused(() => [{ key: undefined, headers: { 'x-flowgrid-passport': 'eyJhbGciOiJIUzI1NiJ9.e30.x' } }]),
  'a key that has expired': refused(({ keys }) => (keys.expired ? [{ key: keys.expired }] : keys.why)),
  'a key that was revoked': refused(({ keys }) => (keys.revoked ? [{ key: keys.revoked }] : keys.why)),
  'a key that was rotated': refused(({ keys }) => (keys.rotated ? [{ key: keys.rotated }] : keys.why)),
  'a key of a suspended tenant': (row, { suspended }) => {
    if (isOpen(row)) return open;
    if (!suspended.key) return { because: suspended.why };
    const { key, id: tenant } = suspended;
    return expecting('403 tenant_suspended', { key, tenant });
  },
};

const tenants: Readonly<Record<string, Column>> = {
  "another tenant's key": (row, { intruder }) => {
    const { asAnother } = samples[nameOf(row)] ?? { asAnother: 'a sample' };
    return typeof asAnother === 'string' ? expecting(asAnother, { key: intruder.key }) : asAnother;
  },
  'another tenant in the path': (row, { intruder, agent }) =>
    row.path.includes('{tenantId}') && !isOpen(row)
      ? expecting('404 not_found', { key: intruder.key }, { tenant: intruder.id }, { key: agent.key, tenant: intruder.id })
      : { because: 'there is no tenant in the path' },
  'another tenant in the query': elsewhere((_, { victim }) => [{ query: `tenantId=${victim.id}` }, { query: `tenant_id=${victim.id}` }]),
  'another tenant in a header': elsewhere((_, { victim }) => [{ headers: { 'x-tenant-id': victim.id } }]),
  'another tenant in the body': elsewhere(({ method, path }, { victim }) => {
    if (method === 'GET') return 'a GET has no body';
    return samples[`${method} ${path}`]?.text === undefined ? [{ body: { tenantId: victim.id } }] : 'its body is a text';
  }),
  'another tenant in a cursor': elsewhere(({ operation }, { victim }) =>
    operation.parameters?.some(({ name }) => name === 'cursor')
      ? [{ query: `cursor=${makeCursor(victim.id, operation.operationId, 'x')}` }]
      : 'it takes no cursor',
  ),
  'a queue of another tenant': elsewhere(({ method, path }, { victim }) =>
    JSON.stringify(samples[`${method} ${path}`]?.json ?? {}).includes('"queue"')
      ? [{ body: { queue: `${victim.id}-agents` } }, { body: { queue: `${victim.id}-dlq` } }]
      : 'it takes no queue',
  ),
};

const rights: Readonly<Record<string, Column>> = {
  'a key of the other family': (row, { victim, platformKey }) => {
    if (isOpen(row)) return open;
    if (isOfPlatform(row)) return expecting('403 scope_missing', { key: victim.key });
    if (scopesOf(row).length > tenantScopesOf(row).length || scopesOf(row).length === 0) return { because: 'it is for both families' };
    return platformKey === undefined
      ? { because: 'not run: no platform key was given' }
      : expecting('403 scope_missing', { key: platformKey });
  },
  'a key without the scope': async (row, world) => {
    if (isOpen(row)) return open;
    const wanted = tenantScopesOf(row);
    if (wanted.length === 0)
      return { because: isOfPlatform(row) ? 'no key of a tenant has it: the column before' : 'every key may call it' };
    const keys = await Promise.all(wanted.map((scope) => world.keyWithout(scope)));
    const weaker = keys.filter((key) => key !== undefined);
    return weaker.length > 0 ? expecting('403 scope_missing', ...weaker.map((key) => ({ key }))) : { because: world.keys.why };
  },
  'a key of a role that may not': async (row, world) => {
    if (isOpen(row)) return open;
    const wanted = tenantScopesOf(row);
    const lacking = roleNames.filter((role) => wanted.some((scope) => !(roles[role] as readonly Scope[]).includes(scope)));
    if (lacking.length === 0) return { because: isOfPlatform(row) ? 'no role of a tenant may' : 'every role may' };
    const keys = await Promise.all(lacking.map((role) => world.keyOf(role)));
    const weaker = keys.filter((key) => key !== undefined);
    return weaker.length > 0 ? expecting('403 scope_missing', ...weaker.map((key) => ({ key }))) : { because: world.keys.why };
  },
  'a method it does not have': (row, { rows }) => {
    const taken = rows.filter(({ path }) => path === row.path).map(({ method }) => method);
    const free = ['PUT', 'PATCH', 'OPTIONS', 'POST', 'GET', 'DELETE'].filter((method) => !taken.includes(method)).slice(0, 3);
    return expecting('405 method_not_allowed', ...free.map((method) => ({ method, ...(method !== 'GET' && { body: {} }) })));
  },
};

/** The names of the columns that `falseTokens` fills. */
export const tokenColumns = [
  'a token with alg none',
  'a token signed HS256 with the public key',
  'a token without its signature',
  'a token with a null signature',
  'a token signed by a stranger',
  'a token of another algorithm',
  'a token that has ended',
  'a token of the future',
  'a token without end',
  'a token without a subject',
  'a token for another audience',
  "a token of another tenant's issuer",
  'an ID token as an access token',
  'a token that brings its own key',
  'a token whose kid is a path',
  'a token with an unknown crit',
  'a token with members twice',
  'a token that is too large',
  'a token in another form',
  'our own token changed',
  'a refresh token as an access token',
] as const;

/** One function is called with every token; the others with one of each column in turn, so that every pair of function and column is tried. */
const tokens = Object.fromEntries(
  tokenColumns.map((column): [string, Column] => [
    column,
    (row, world) => {
      if (isOpen(row)) return open;
      const kinds = world.tokens[column] ?? [];
      const at = world.rows.indexOf(row) % Math.max(1, kinds.length);
      const chosen = nameOf(row) === 'GET /api/auth/whoami' ? kinds : kinds.slice(at, at + 1);
      if (chosen.length === 0) return { because: 'not run: the deployment gives no tokens of its own' };
      // Node's HTTP server takes 16 KB of headers, and answers for itself.
      const expected = column === 'a token that is too large' ? [...unauthenticated, '431'] : unauthenticated;
      return { expected, attempts: chosen.map(bearing) };
    },
  ]),
);

export const columns: Readonly<Record<string, Column>> = { ...credentials, ...tenants, ...rights, ...tokens };
