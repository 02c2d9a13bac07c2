// What FlowGrid says of itself to anybody: its own A2A card and its AI Catalog, and nothing of its tenants.
import { AgentCard } from '@a2a-js/sdk';
import { DefaultAgentCardResolver } from '@a2a-js/sdk/client';
import { describe, expect, inject, test } from 'vitest';
import { readCard } from '../../../shared/registry/card/card.ts';
import { publishedCheck } from '../../shared/registry/published.ts';
import { Asker } from '../asker.ts';

const local = inject('local');
const anybody = new Asker(local.api);
const paths = ['/.well-known/agent-card.json', '/.well-known/ai-catalog.json'];

describe('GET /.well-known/agent-card.json', () => {
  test('is a 1.0 card by our schema, by the published one, and for the SDK', async () => {
    const card = await anybody.get<Record<string, unknown>>('/.well-known/agent-card.json');
    expect(readCard(card)).toMatchObject({ version: '1.0' });
    expect(publishedCheck('v1.0.1')(card)).toBe(true);
    expect(card).toMatchObject({ name: 'FlowGrid', supportedInterfaces: [{ url: `${local.api}/api`, protocolVersion: '1.0' }] });
    const read = await new DefaultAgentCardResolver().resolve(local.api);
    expect(AgentCard.toJSON(read)).toMatchObject({ name: 'FlowGrid', skills: card['skills'], securitySchemes: card['securitySchemes'] });
  });
});

describe('GET /.well-known/ai-catalog.json', () => {
  test('lists the card', async () => {
    const { headers, body } = await anybody.ask('GET', '/.well-known/ai-catalog.json');
    expect(headers.get('content-type')).toBe('application/ai-catalog+json');
    expect(body).toEqual({
      specVersion: '1.0',
      host: { displayName: 'FlowGrid', identifier: '127.0.0.1', documentationUrl: `${local.api}/api/docs` },
      entries: [
        {
          identifier: 'urn:air:127.0.0.1:a2a:flowgrid',
          type: 'application/a2a-agent-card+json',
          url: `${local.api}/.well-known/agent-card.json`,
        },
      ],
    });
  });
});

test.for(paths)('%s may be kept, is asked for again by its tag, and is nobody’s in particular', async (path) => {
  const first = await anybody.ask('GET', path);
  expect(first.headers.get('cache-control')).toBe('public, max-age=3600');
  const etag = first.headers.get('etag') ?? '';
  const again = await anybody.ask('GET', path, { headers: { 'if-none-match': etag } });
  expect([again.status, again.body, again.headers.get('etag')]).toEqual([304, undefined, etag]);
  const owner = new Asker(local.api, local.tenants[0]?.apiKey);
  expect((await owner.ask('GET', path)).body).toEqual(first.body);
  for (const { id } of local.tenants) expect(JSON.stringify(first.body)).not.toContain(id);
});
