// Listing and searching agents: what runs, page by page, by skill and tag.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { promisedMs } from '../promised.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
/** The shortest lease there is. */
const shortSeconds = 10;

interface Page {
  readonly items: readonly { readonly agentId: string; readonly status: string }[];
  readonly nextCursor: string | null;
  readonly total: number;
}

let tenant: TestTenant;
let owner: Asker;
let agent: Asker;
let leaseEnds = 0;

const skills = {
  alpha: [{ id: 'search', tags: ['web', 'fast'] }],
  beta: [{ id: 'search', tags: ['files'] }],
  gamma: [{ id: 'translate', tags: ['fast'] }],
  delta: [{ id: 'search', tags: ['web'] }, { id: 'translate' }],
  'search-1': [{ id: 'Search', tags: ['Web'] }],
};

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  await owner.post('/api/registry/agents/fleeting/register', { card: cardOf('Fleeting', skills.alpha), ttlSeconds: shortSeconds });
  leaseEnds = Date.now() + shortSeconds * 1_000;
  await Promise.all(
    Object.entries(skills).map(([id, of]) =>
      owner.post(`/api/registry/agents/${id}/register`, { card: cardOf(id, of), ttlSeconds: 600, metadata: { of: id } }),
    ),
  );
  const { FLOWGRID_API_TOKEN: key } = await owner.post<{ FLOWGRID_API_TOKEN: string }>(`/tenants/${tenant.id}/agents/alpha/environment`);
  agent = new Asker(here, key);
});

const idsOf = ({ items }: Page) => items.map(({ agentId }) => agentId);
const running = ['alpha', 'beta', 'delta', 'gamma', 'search-1'];
const withoutFleeting = (page: Page) => idsOf(page).filter((id) => id !== 'fleeting');

describe('GET /api/registry/agents', () => {
  test('shows running agents whole, to agents too', async () => {
    for (const asker of [owner, agent, owner.at(there)]) {
      const page = await asker.get<Page>('/api/registry/agents');
      expect(withoutFleeting(page)).toEqual(running);
      expect(page).toMatchObject({ nextCursor: null, total: page.items.length });
      expect(page.items[0]).toEqual({
        agentId: 'alpha',
        status: 'running',
        delivery: 'pull',
        lease: { ttlSeconds: 600, expiresAt: expect.any(String) },
        metadata: { of: 'alpha' },
        card: cardOf('alpha', skills.alpha),
      });
    }
  });

  test('goes page by page, with the total on each', async () => {
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Page = await owner.get<Page>(`/api/registry/agents?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(page.items.length).toBeLessThanOrEqual(2);
      expect(page.total).toBeGreaterThanOrEqual(running.length);
      seen.push(...idsOf(page));
      cursor = page.nextCursor;
    }
    expect(seen.filter((id) => id !== 'fleeting')).toEqual(running);
  });

  test.for([
    ['limit=0', '/query/limit'],
    ['limit=201', '/query/limit'],
    ['limit=ten', '/query/limit'],
    ['status=dead', '/query/status'],
    ['status=', '/query/status'],
    ['status=running&status=gone', '/query/status'],
  ] as const)('refuses %s', async ([query, pointer]) => {
    const { errors } = problemOf(await owner.ask('GET', `/api/registry/agents?${query}`), 400, 'validation_failed');
    expect(errors?.map((each) => each.pointer)).toEqual([pointer]);
  });

  test('refuses a cursor that is not its own', async () => {
    const { nextCursor } = await owner.get<Page>('/api/registry/agents?limit=1');
    for (const cursor of ['rubbish', 'W10', `${nextCursor}x`, ''])
      problemOf(await owner.ask('GET', `/api/registry/agents?cursor=${cursor}`), 400, 'cursor_invalid');
    problemOf(await owner.ask('GET', `/api/registry/agents/search?cursor=${nextCursor}`), 400, 'cursor_invalid');
    problemOf(await owner.ask('GET', `/tenants/${tenant.id}/audit?cursor=${nextCursor}`), 400, 'cursor_invalid');
    const { errors } = problemOf(await owner.ask('GET', `/api/registry/agents?cursor=${'x'.repeat(3_000)}`), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/query/cursor']);
  });

  test.for(['expired', 'all'])('asks for agents:manage to show %s', async (status) => {
    const problem = problemOf(await agent.ask('GET', `/api/registry/agents?status=${status}`), 403, 'scope_missing');
    expect(problem).toMatchObject({ missing: ['agents:manage'], detail: expect.stringContaining('agents:manage') });
    expect((await owner.ask('GET', `/api/registry/agents?status=${status}`)).status).toBe(200);
  });

  test('is empty for a tenant without agents', async () => {
    const { key } = await newTenant(local);
    expect(await new Asker(here, key).get('/api/registry/agents')).toEqual({ items: [], nextCursor: null, total: 0 });
  });
});

describe('GET /api/registry/agents/search', () => {
  test.for([
    ['skill=search', ['alpha', 'beta', 'delta']],
    ['skill=translate', ['delta', 'gamma']],
    ['tag=fast', ['alpha', 'gamma']],
    ['skill=search&tag=web', ['alpha', 'delta']],
    ['tag=web&skill=translate', ['delta']],
    ['skill=nothing', []],
    ['skill=%25', []],
    ['skill=search%27%20OR%201%3D1', []],
    ['', running],
  ] as const)('finds by "%s"', async ([query, expected]) => {
    for (const asker of [agent, owner.at(there)])
      expect(withoutFleeting(await asker.get<Page>(`/api/registry/agents/search?${query}`))).toEqual(expected);
  });

  test('answers the same items as the list, page by page', async () => {
    const list = await owner.get<Page>('/api/registry/agents');
    const page = await owner.get<Page>('/api/registry/agents/search?skill=translate&limit=1');
    expect(page.items[0]).toEqual(list.items.find(({ agentId }) => agentId === 'delta'));
    expect(page.total).toBe(2);
    const next = await owner.get<Page>(`/api/registry/agents/search?skill=translate&limit=1&cursor=${page.nextCursor}`);
    expect([idsOf(next), next.nextCursor, next.total]).toEqual([['gamma'], null, 2]);
  });

  test.for(['skill=', 'tag=', `skill=${'x'.repeat(257)}`])('refuses %s', async (query) => {
    problemOf(await owner.ask('GET', `/api/registry/agents/search?${query}`), 400, 'validation_failed');
  });

  test('sees a change within a second on the other host', async () => {
    await owner.post('/api/registry/agents/fresh/register', { card: cardOf('Fresh', [{ id: 'freshen' }]) });
    const search = (asker: Asker) => asker.get<Page>('/api/registry/agents/search?skill=freshen');
    expect(idsOf(await search(owner))).toEqual(['fresh']);
    await until('it is found there', async () => (await search(owner.at(there))).total === 1, promisedMs);
    await owner.ask('DELETE', '/api/registry/agents/fresh/unregister');
    expect(await search(owner)).toMatchObject({ items: [], total: 0 });
  });
});

describe('a lease that has ended', () => {
  test('takes the agent from list, search and messages, not from those who manage; registering brings it back', async () => {
    const left = leaseEnds - Date.now();
    const list = (asker: Asker, query = '') => asker.get<Page>(`/api/registry/agents${query}`);
    await until('the lease has ended', async () => !idsOf(await list(owner)).includes('fleeting'), Math.max(0, left) + promisedMs);
    expect(idsOf(await owner.get<Page>('/api/registry/agents/search?skill=search'))).not.toContain('fleeting');
    expect(await list(owner, '?status=expired')).toMatchObject({ items: [{ agentId: 'fleeting', status: 'expired' }], total: 1 });
    expect(idsOf(await list(owner, '?status=all'))).toEqual([...running.slice(0, 3), 'fleeting', ...running.slice(3)]);
    problemOf(await agent.ask('GET', '/api/registry/agents/fleeting'), 404, 'not_found');
    expect((await owner.ask('GET', '/api/registry/agents/fleeting')).status).toBe(200);
    const message = { to: 'fleeting', from: 'alpha', messageType: 'x', payload: null };
    problemOf(await owner.ask('POST', '/api/messages', { json: message }), 404, 'agent_not_found');

    expect((await owner.ask('POST', '/api/registry/agents/fleeting/register', { json: { card: cardOf('Fleeting') } })).status).toBe(200);
    expect(idsOf(await list(owner))).toContain('fleeting');
  });
});
