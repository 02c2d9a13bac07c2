// One agent's card: in the version it came in, in 1.0, and not again when it is known.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { cards } from './cards.ts';

const local = inject('local');
let owner: Asker;
beforeAll(async () => {
  owner = new Asker(local.api, (await newTenant(local)).key);
  for (const [version, card] of Object.entries(cards))
    await owner.post(`/api/registry/agents/card-${version.replace('.', '')}/register`, { card });
});

describe('GET /api/registry/agents/{id}', () => {
  test('serves 1.0 as it came, unknown fields and all, by default and by name', async () => {
    expect(await owner.get('/api/registry/agents/card-10')).toEqual(cards['1.0']);
    expect(await owner.get('/api/registry/agents/card-10?a2a=1.0')).toEqual(cards['1.0']);
  });

  test('serves an older card as 1.0 by default', async () => {
    const { skills, provider, description, version, defaultInputModes, defaultOutputModes } = cards['0.3'];
    const same = { skills, provider, description, version, defaultInputModes, defaultOutputModes, 'x-unknown': cards['0.3']['x-unknown'] };
    const security = {
      securitySchemes: { main: { apiKeySecurityScheme: { location: 'header', name: 'X-Key' } } },
      securityRequirements: [{ schemes: { main: { list: [] } } }],
    };
    expect(await owner.get('/api/registry/agents/card-03')).toEqual({
      ...same,
      ...security,
      name: 'Route 0.3',
      capabilities: { pushNotifications: true },
      supportedInterfaces: [
        { url: 'https://agents.example/route', protocolBinding: 'GRPC', protocolVersion: '0.3.0' },
        { url: 'https://agents.example/rest', protocolBinding: 'HTTP+JSON', protocolVersion: '0.3.0' },
      ],
    });
    expect(await owner.get('/api/registry/agents/card-02')).toEqual({
      ...same,
      ...security,
      name: 'Route 0.2',
      capabilities: { streaming: true, extendedAgentCard: true },
      supportedInterfaces: [{ url: 'https://agents.example/route', protocolBinding: 'JSONRPC', protocolVersion: '0.2.0' }],
    });
  });

  test('serves a newer card in older words', async () => {
    const { supportedInterfaces, securityRequirements: _, capabilities: __, securitySchemes: ___, ...same } = cards['1.0'];
    const older = {
      ...same,
      protocolVersion: '1.0',
      url: supportedInterfaces[0].url,
      preferredTransport: 'JSONRPC',
      capabilities: { streaming: true },
      supportsAuthenticatedExtendedCard: false,
      securitySchemes: { main: { type: 'apiKey', in: 'header', name: 'X-Key' } },
      security: [{ main: [] }],
    };
    for (const version of ['0.2', '0.3']) expect(await owner.get(`/api/registry/agents/card-10?a2a=${version}`)).toEqual(older);
    expect(await owner.get('/api/registry/agents/card-03?a2a=0.2')).toEqual({
      ...cards['0.3'],
      additionalInterfaces: [{ url: 'https://agents.example/rest', transport: 'HTTP+JSON' }],
    });
  });

  test.for(['2.0', '0.1', '1', '', '1.0.0', 'latest'])('refuses a2a=%s', async (version) => {
    const { errors } = problemOf(await owner.ask('GET', `/api/registry/agents/card-10?a2a=${version}`), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/query/a2a']);
  });

  test('answers 304 to who has it already, until it changes', async () => {
    const path = '/api/registry/agents/card-10';
    const first = await owner.ask('GET', path);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\x21\x23-\x7e]+"$/);
    const asked = (header: string) => owner.ask('GET', path, { headers: { 'if-none-match': header } });
    for (const header of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const { status, body, headers } = await asked(header);
      expect([status, body, headers.get('etag')]).toEqual([304, undefined, etag]);
    }
    for (const header of ['"other"', etag.slice(1, -1)]) expect((await asked(header)).status).toBe(200);
    expect((await owner.at(local.hosts[1] ?? '').ask('GET', path)).headers.get('etag')).toBe(etag);

    await owner.post(`${path}/register`, { card: { ...cards['1.0'], description: 'Changed.' } });
    const changed = await asked(etag);
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(etag);
  });

  test('has a tag of its own for each version', async () => {
    const tags = await Promise.all(
      ['0.3', '1.0'].map(async (version) => (await owner.ask('GET', `/api/registry/agents/card-03?a2a=${version}`)).headers.get('etag')),
    );
    expect(new Set(tags).size).toBe(2);
  });

  test.for(['nobody', 'Not-An-Id', 'a', '%2e%2e%2f', 'card-10%00'.replace('%00', '%01'), '%ED%A0%80', '%zz'])(
    'does not know %s',
    async (id) => {
      problemOf(await owner.ask('GET', `/api/registry/agents/${id}`), 404, 'not_found');
    },
  );
});
