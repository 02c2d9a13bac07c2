// The attack table: every function there is against every way to call it that must not work. The rows come from the registrations and the
// OpenAPI document, so a function that nobody has thought about here fails the test.
import { ServiceBusClient } from '@azure/service-bus';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { roles } from '../../shared/identity/scopes.ts';
import { cardOf, newTenant, type TestTenant } from '../flowgrid.ts';
import { type Answer, Asker, codeOf } from '../functions/asker.ts';
import { judgeOf, type Row, rowsOf } from '../functions/document.ts';
import { clientWith, type Mailbox, openMailbox } from '../functions/messages/mailbox.ts';
import { changesNothing } from '../functions/trail.ts';
import { registrationsOf, sources } from '../registered.ts';

const local = inject('local');

/** A good request of a function, and what somebody gets who sends just that with the key of another tenant. */
interface Sample {
  readonly json?: unknown;
  /** Sent as plain text. */
  readonly text?: string;
  readonly query?: string;
  readonly asAnother: string | Reason;
}

/** Why a cell of the table does not apply. */
interface Reason {
  readonly because: string;
}

const open: Reason = { because: 'anybody may call it' };
const inThePath: Reason = { because: 'the tenant is in the path: the column "another tenant in the path" is this attack' };
const ownItems: Reason = { because: 'it lists what is the caller’s: the isolation suite looks at the items' };

const samples: Readonly<Record<string, Sample>> = {
  'DELETE /api/registry/agents/{id}/unregister': {
    asAnother: { because: 'it ends an agent of the caller’s own, of which there is none: 204, and the isolation suite looks' },
  },
  'DELETE /tenants/{tenantId}/policies/{name}': { asAnother: inThePath },
  'DELETE /tenants/{tenantId}/issuers/{name}': { asAnother: inThePath },
  'GET /api/auth/whoami': { asAnother: { because: 'it tells callers about themselves' } },
  'GET /api/docs': { asAnother: open },
  'GET /api/health': { asAnother: open },
  'GET /api/openapi.json': { asAnother: open },
  'GET /api/ready': { asAnother: open },
  'GET /api/registry/agents': { asAnother: ownItems },
  'GET /api/registry/agents/search': { query: 'skill=anything', asAnother: ownItems },
  'GET /api/registry/agents/{id}': { asAnother: '404 not_found' },
  'GET /api/v1/tools': { asAnother: { because: 'the catalogue is the same for all' } },
  'GET /auth/callback/{provider}': { asAnother: open },
  'GET /auth/login/{provider}': { asAnother: open },
  'GET /problems/{code}': { asAnother: open },
  'GET /tenants': { asAnother: '403 scope_missing' },
  'GET /tenants/{tenantId}': { asAnother: inThePath },
  'DELETE /tenants/{tenantId}/api-keys/{keyId}': { asAnother: inThePath },
  'GET /tenants/{tenantId}/api-keys': { asAnother: inThePath },
  'POST /tenants/{tenantId}/api-keys': { json: { name: 'planted' }, asAnother: inThePath },
  'POST /tenants/{tenantId}/api-keys/{keyId}/rotate': { asAnother: inThePath },
  'GET /tenants/{tenantId}/audit': { asAnother: inThePath },
  'GET /tenants/{tenantId}/audit/export': { query: 'jobId=00000000-0000-4000-8000-000000000000', asAnother: inThePath },
  'GET /tenants/{tenantId}/audit/verify': { query: 'jobId=00000000-0000-4000-8000-000000000000', asAnother: inThePath },
  'GET /tenants/{tenantId}/integrations': { asAnother: inThePath },
  'GET /tenants/{tenantId}/policies': { asAnother: inThePath },
  'GET /tenants/{tenantId}/policies/{name}': { asAnother: inThePath },
  'GET /tenants/{tenantId}/issuers': { asAnother: inThePath },
  'GET /tenants/{tenantId}/issuers/{name}': { asAnother: inThePath },
  'GET /tenants/{tenantId}/quota': { asAnother: inThePath },
  'PATCH /tenants/{tenantId}': { json: {}, asAnother: inThePath },
  'DELETE /tenants/{tenantId}': { asAnother: inThePath },
  'GET /tenants/{tenantId}/export': { asAnother: inThePath },
  'GET /tenants/{tenantId}/erasure': { asAnother: inThePath },
  'POST /tenants/{tenantId}/suspend': { asAnother: inThePath },
  'POST /tenants/{tenantId}/resume': { asAnother: inThePath },
  'GET /tenants/{tenantId}/members': { asAnother: inThePath },
  'GET /tenants/{tenantId}/members/{subject}': { asAnother: inThePath },
  'PUT /tenants/{tenantId}/members/{subject}': { json: { role: 'viewer' }, asAnother: inThePath },
  'DELETE /tenants/{tenantId}/members/{subject}': { asAnother: inThePath },
  'POST /api/messages': {
    json: { to: 'target', from: 'target', messageType: 'x', payload: 1 },
    asAnother: '404 agent_not_found',
  },
  'POST /api/messaging/token': { json: { queue: '{victim}-target' }, asAnother: '403 tenant_mismatch' },
  'POST /api/policy/explain': {
    json: { action: 'tool:invoke', resource: 'Tool::"notion.whoAmI"' },
    asAnother: { because: 'it knows the caller’s own policies, keys and agents alone: the policy suite asks about another’s' },
  },
  'POST /api/quota/check': {
    json: { meter: 'maxToolCallsPerDay' },
    asAnother: { because: 'it takes nothing and tells callers about themselves' },
  },
  'POST /api/registry/agents/{id}/register': {
    json: { card: cardOf('Planted') },
    asAnother: { because: 'it makes an agent of the caller’s own: the isolation suite looks' },
  },
  'POST /api/v1/tools/invoke': { json: { toolId: 'notion.whoAmI', parameters: {} }, asAnother: '409 credentials_not_found' },
  'POST /auth/logout': { asAnother: open },
  'POST /tenants': { json: { id: 'planted', name: 'Planted' }, asAnother: '403 scope_missing' },
  'POST /tenants/{tenantId}/agents/{agentId}/environment': { asAnother: inThePath },
  'POST /tenants/{tenantId}/audit/export': { asAnother: inThePath },
  'POST /tenants/{tenantId}/audit/verify': { asAnother: inThePath },
  'POST /tenants/{tenantId}/integrations/{integration}/credentials': { json: { apiKey: 'planted' }, asAnother: inThePath },
  'PUT /tenants/{tenantId}/policies/{name}': { text: 'permit(principal, action, resource);', asAnother: inThePath },
  'PUT /tenants/{tenantId}/issuers/{name}': { json: { issuer: 'https://issuer.example' }, asAnother: inThePath },
};

/** Functions without a route of their own. */
const others: Readonly<Record<string, string>> = {
  'zz-no-route': 'httpTrigger',
  dispatch: 'serviceBusTrigger',
  'ledger-archive': 'timerTrigger',
  'ledger-checkpoint': 'timerTrigger',
  provision: 'serviceBusTrigger',
  'tenants-settle': 'timerTrigger',
};

const { document } = await judgeOf(local.api);
const rows = rowsOf(document);
const nameOf = ({ method, path }: Row) => `${method} ${path}`;
const isOpen = ({ operation }: Row) => operation.security.length === 0;
const scopesOf = ({ operation }: Row) => [...(operation.description ?? '').matchAll(/`([a-z]+:[a-z]+)`/g)].map(([, scope = '']) => scope);

let victim: TestTenant;
let intruder: TestTenant;
let agent: Mailbox;

beforeAll(async () => {
  [victim, intruder] = await Promise.all([newTenant(local), newTenant(local)]);
  agent = await openMailbox(new Asker(local.api, victim.key), victim.id, 'target');
  await victim.owner.ask('POST', `/tenants/${victim.id}/integrations/notion/credentials`, {
    accessToken: `${local.upstreams.rest.token}.${victim.id}`,
  });
});

interface Twist {
  readonly key?: string | undefined;
  /** The tenant in the path. */
  readonly tenant?: string;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly body?: object;
  readonly method?: string;
}

/** The sample request of a row, sent as the victim would send it but for the twist. */
function send({ path, method }: Row, twist: Twist): Promise<Answer> {
  const { json, text, query } = samples[`${method} ${path}`] ?? {};
  const filled = path
    .replace('{tenantId}', twist.tenant ?? victim.id)
    .replace('{integration}', 'notion')
    .replace('{name}', 'planted')
    .replace('{code}', 'not_found')
    .replace('{provider}', 'idp')
    .replace('{subject}', 'nobody')
    .replace('{keyId}', 'aaaaaaaaaaaa')
    .replaceAll(/\{(id|agentId)\}/g, 'target');
  const search = [query, twist.query].filter((part) => part !== undefined).join('&');
  const asker = new Asker(local.api, 'key' in twist ? twist.key : victim.key);
  const body = json === undefined && !twist.body ? undefined : { ...(json as object), ...twist.body };
  return asker.ask(twist.method ?? method, filled + (search && `?${search}`), {
    ...(body && { json: JSON.parse(JSON.stringify(body).replaceAll('{victim}', victim.id)) }),
    ...(text !== undefined && !twist.body && { body: text }),
    headers: { ...(text !== undefined && !twist.body && { 'content-type': 'text/plain' }), ...twist.headers },
  });
}

type Cell = Reason | { readonly expected: string; readonly answers: Answer[] };
type Column = (row: Row) => Promise<Cell> | Cell;

const expecting = async (expected: string, ...answers: Promise<Answer>[]): Promise<Cell> => ({
  expected,
  answers: await Promise.all(answers),
});

function flipped(key: string): string {
  const at = key.length - 20;
  return key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1);
}

const notOurs = 'a tenant named by the platform team is no attempt: it may name any, and reads none of what is theirs';

/** A tenant named beside the path: who may call as a tenant is refused, whoever else has no tenant to be mistaken for. */
function elsewhere(row: Row, ...twists: Twist[]): Promise<Cell> | Cell {
  if (isOpen(row)) return open;
  if (scopesOf(row).some((scope) => scope === 'platform:tenants') && !scopesOf(row).includes('tenant:read')) return { because: notOurs };
  return expecting('403 tenant_mismatch', ...twists.map((twist) => send(row, { ...twist, key: intruder.key, tenant: intruder.id })));
}

const columns: Readonly<Record<string, Column>> = {
  'no credential': (row) => (isOpen(row) ? open : expecting('401 unauthenticated', send(row, { key: undefined }))),
  'a key that is none': (row) => (isOpen(row) ? open : expecting('401 unauthenticated', send(row, { key: 'fg_garbage' }))),
  'a key with one character changed': (row) =>
    isOpen(row)
      ? open
      : expecting('401 unauthenticated', send(row, { key: flipped(victim.key) }), send(row, { key: flipped(local.platformKey) })),
  'a key of the other family': (row) => {
    if (isOpen(row)) return open;
    const scopes = scopesOf(row);
    if (scopes.length === 0 || scopes.length > 1) return { because: 'it is for both families' };
    return expecting('403 scope_missing', send(row, { key: scopes[0]?.startsWith('platform:') ? victim.key : local.platformKey }));
  },
  "another tenant's key": (row) => {
    const { asAnother } = samples[nameOf(row)] ?? { asAnother: 'no sample' };
    return typeof asAnother === 'string' ? expecting(asAnother, send(row, { key: intruder.key })) : asAnother;
  },
  'another tenant in the path': (row) =>
    row.path.includes('{tenantId}')
      ? expecting(
          '404 not_found',
          send(row, { key: intruder.key }),
          send(row, { tenant: intruder.id }),
          send(row, { key: agent.asker.key, tenant: intruder.id }),
        )
      : { because: 'there is no tenant in the path' },
  'another tenant in the query': (row) => elsewhere(row, { query: `tenantId=${victim.id}` }, { query: `tenant_id=${victim.id}` }),
  'another tenant in a header': (row) => elsewhere(row, { headers: { 'x-tenant-id': victim.id } }),
  'another tenant in the body': (row) =>
    row.method === 'GET' || samples[nameOf(row)]?.text !== undefined
      ? { because: 'there is no body, or one of plain text, which has no members' }
      : elsewhere(row, { body: { tenantId: victim.id } }),
  'a key without the scope': (row) => {
    const missing = scopesOf(row).filter((scope) => !(roles.agent as readonly string[]).includes(scope));
    if (isOpen(row)) return open;
    if (scopesOf(row).length === 0) return { because: 'every key may call it' };
    if (missing.length === 0) return { because: 'an agent may do this, and there is no key yet that may do less' };
    return expecting('403 scope_missing', send(row, { key: agent.asker.key }));
  },
  'a method it does not have': (row) => {
    const taken = rows.filter(({ path }) => path === row.path).map(({ method }) => method);
    const free = ['PUT', 'PATCH', 'OPTIONS', 'POST', 'GET', 'DELETE'].filter((method) => !taken.includes(method)).slice(0, 3);
    return expecting('405 method_not_allowed', ...free.map((method) => send(row, { method, ...(method === 'GET' && { body: {} }) })));
  },
};

describe('every function', () => {
  test('is in the table', async () => {
    const registered = (await registrationsOf(sources)).flatMap(({ functions }) =>
      functions.map(({ name, bindings }) => [
        name,
        Object.values(bindings).find(({ direction, type }) => direction === 'in' && type.endsWith('Trigger'))?.type,
      ]),
    );
    const table = [...rows.map(({ operation }) => [operation.operationId, 'httpTrigger']), ...Object.entries(others)];
    expect(registered.sort()).toEqual(table.sort());
    expect(Object.keys(samples).sort()).toEqual(rows.map(nameOf).sort());
  });

  test('says what it asks for: an open one nothing, any other scopes that exist', () => {
    const known = new Set<string>([...roles.owner, 'platform:tenants', 'platform:read']);
    for (const row of rows) {
      expect(
        scopesOf(row).filter((scope) => !known.has(scope)),
        row.path,
      ).toEqual([]);
      if (isOpen(row)) expect(scopesOf(row), row.path).toEqual([]);
    }
    expect(
      rows
        .filter(isOpen)
        .map(({ path }) => path)
        .sort(),
    ).toEqual([
      '/api/docs',
      '/api/health',
      '/api/openapi.json',
      '/api/ready',
      '/auth/callback/{provider}',
      '/auth/login/{provider}',
      '/auth/logout',
      '/problems/{code}',
    ]);
  });
});

/** What the victim's own trail tells of the table: its owner and its agent under another tenant's path, and each once where a scope is missing. */
const denied = [
  // Ten a minute of each caller; the rest are told by one event when the minute is over.
  ...rows
    .filter(({ path }) => path.includes('{tenantId}'))
    .slice(0, 10)
    .flatMap(() => Array<string>(2).fill('security.cross_tenant not_found')),
  ...['tenant.created', 'tenant.erasing', 'tenant.resumed', 'tenant.suspended'].flatMap((action) =>
    Array<string>(2).fill(`${action} scope_missing`),
  ),
  'credential.stored scope_missing',
  'issuer.deleted scope_missing',
  'issuer.written scope_missing',
  'policy.deleted scope_missing',
  'policy.written scope_missing',
  'key.created scope_missing',
  'tenant.updated scope_missing',
  'tenant.exported scope_missing',
  'member.written scope_missing',
  'member.removed scope_missing',
  ...Array<string>(2).fill('key.created scope_missing'),
  'key.rotated scope_missing',
  'key.revoked scope_missing',
  'ledger.export_requested scope_missing',
  'ledger.verify_requested scope_missing',
];

describe('the table', () => {
  let checked: Promise<void>;
  const done = Promise.withResolvers<void>();
  const applied = new Set<string>();

  beforeAll(async () => {
    const begun = Promise.withResolvers<void>();
    const owner = new Asker(local.api, victim.key);
    checked = changesNothing(
      owner,
      victim.id,
      () => {
        begun.resolve();
        return done.promise;
      },
      denied,
    );
    await begun.promise;
  });

  afterAll(async () => {
    done.resolve();
    await checked;
  });

  test.for(rows.map((row): [string, Row] => [nameOf(row), row]))('%s', async ([, row]) => {
    for (const [column, cellOf] of Object.entries(columns)) {
      const cell = await cellOf(row);
      if ('because' in cell) {
        expect(cell.because, column).not.toBe('');
        continue;
      }
      applied.add(column);
      for (const answer of cell.answers) expect([column, `${answer.status} ${codeOf(answer)}`]).toEqual([column, cell.expected]);
    }
  });

  test('has no column that never applies', () => {
    expect([...applied].sort()).toEqual(Object.keys(columns).sort());
  });
});

describe('a function that listens at a platform queue', () => {
  test.for(['platform-provision', 'platform-dispatch'])('%s is not reached by an agent, nor with a false key', async (queue) => {
    await using stack = new AsyncDisposableStack();
    const asAgent = stack.adopt(clientWith(await agent.token()), (each) => each.close());
    const forged = local.serviceBus.connectionString.replace(/SharedAccessKey=[^;]+/, `SharedAccessKey=${btoa('x'.repeat(32))}`);
    const byForce = stack.adopt(new ServiceBusClient(forged, { retryOptions: { maxRetries: 0 } }), (each) => each.close());
    for (const client of [asAgent, byForce]) {
      const message = { body: { kind: 'tenant', tenantId: intruder.id } };
      await expect(client.createSender(queue).sendMessages(message)).rejects.toMatchObject({ code: 'UnauthorizedAccess' });
      await expect(client.createReceiver(queue).receiveMessages(1, { maxWaitTimeInMs: 500 })).rejects.toMatchObject({
        code: 'UnauthorizedAccess',
      });
    }
  });
});
