// Searching by capability, pattern and text, best first; skill and tag are in list.test.ts. That the index finds what it should is proved in
// test/shared/registry/index.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { cardOf, newTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Page {
  readonly items: readonly { readonly agentId: string }[];
  readonly nextCursor: string | null;
  readonly total: number;
}

let owner: Asker;
const push = { delivery: 'push', endpoint: 'https://agents.example/hook', ttlSeconds: 600 };
const cards = {
  'incident-agent': cardOf('Incident Response', [{ id: 'triage_incident', tags: ['ops'] }]),
  'knowledge-agent': { ...cardOf('Knowledge Base', [{ id: 'search_knowledge', tags: ['docs'] }]), capabilities: { streaming: false } },
  'report-agent': { ...cardOf('Reports', [{ id: 'write' }]), description: 'Writes reports of an incident.', capabilities: {} },
};

beforeAll(async () => {
  owner = new Asker(here, (await newTenant(local)).key);
  await Promise.all(Object.entries(cards).map(([id, card]) => owner.post(`/api/registry/agents/${id}/register`, { ...push, card })));
});

const search = (query: string, by = owner) => by.get<Page>(`/api/registry/agents/search?${query}`);
const idsOf = ({ items }: Page) => items.map(({ agentId }) => agentId);

describe('GET /api/registry/agents/search', () => {
  test.for([
    ['capability=streaming', ['incident-agent']],
    ['capability=pushNotifications', []],
    ['pattern=*-agent', ['incident-agent', 'knowledge-agent', 'report-agent']],
    ['pattern=know*', ['knowledge-agent']],
    ['pattern=triage_*', ['incident-agent']],
    ['pattern=reports', ['report-agent']],
    ['pattern=incident', []],
    ['pattern=report-agen%3F', ['report-agent']],
    ['q=incident', ['incident-agent', 'report-agent']],
    ['q=INCIDENT%20write', ['report-agent']],
    ['q=knowledge%20ops', []],
    ['q=incident&capability=streaming&tag=ops&skill=triage_incident&pattern=inc*', ['incident-agent']],
    ['q=incident&skill=search_knowledge', []],
    ['q=!', []],
    ['', ['incident-agent', 'knowledge-agent', 'report-agent']],
  ] as const)('finds by %s', async ([query, expected]) => {
    for (const by of [owner, owner.at(there)]) {
      const page = await search(query, by);
      expect([idsOf(page), page.total]).toEqual([expected, expected.length]);
    }
  });

  test('goes page by page in the order of the ranks', async () => {
    const first = await search('q=incident&limit=1');
    expect([idsOf(first), first.total]).toEqual([['incident-agent'], 2]);
    const second = await search(`q=incident&limit=1&cursor=${first.nextCursor}`);
    expect([idsOf(second), second.nextCursor]).toEqual([['report-agent'], null]);
  });

  test('answers 304 until something changes, as the list does', async () => {
    for (const path of ['/api/registry/agents/search?q=knowledge', '/api/registry/agents']) {
      const tag = (await owner.ask('GET', path)).headers.get('etag') ?? '';
      const again = () => owner.ask('GET', path, { headers: { 'if-none-match': tag } });
      expect((await again()).status).toBe(304);
      const description = `Changed for ${path}`;
      await owner.post('/api/registry/agents/knowledge-agent/register', { ...push, card: { ...cards['knowledge-agent'], description } });
      expect((await again()).status).toBe(200);
    }
  });

  test.for(['capability=', 'pattern=', 'q=', `q=${'x'.repeat(257)}`, `pattern=${'x'.repeat(257)}`])('refuses %s', async (query) => {
    problemOf(await owner.ask('GET', `/api/registry/agents/search?${query}`), 400, 'validation_failed');
  });
});
