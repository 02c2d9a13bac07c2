// A2A cards: each version is known for what it is, read whole, and translated to 1.0 as protocols.md 1.2 and 1.3 say.
import { describe, expect, it } from 'vitest';
import { readCard } from '../../../shared/registry/card/card.ts';
import { cardV02, cardV03, cardV10 } from './cards.ts';

function read(value: Record<string, unknown>) {
  const result = readCard(value);
  if ('errors' in result) throw new Error(JSON.stringify(result.errors));
  return result;
}

/** Where a bad card is wrong. */
function faultsOf(value: Record<string, unknown>): string[] {
  const result = readCard(value);
  return 'errors' in result ? result.errors.map(({ path }) => path.join('.')).sort() : [];
}

const without = (card: Record<string, unknown>, ...names: string[]) =>
  Object.fromEntries(Object.entries(card).filter(([name]) => !names.includes(name)));

describe('a card', () => {
  it.each([
    ['0.2', cardV02],
    ['0.3', cardV03],
    ['1.0', cardV10],
  ])('of %s is known as such and kept as it came', (version, card) => {
    expect(read(card)).toMatchObject({ version, original: card });
  });

  it.each([
    ['0.2', { ...cardV02, protocolVersion: '0.2.6' }],
    ['0.2', { ...cardV02, protocolVersion: '0.2' }],
    ['0.3', { ...cardV03, protocolVersion: '1.0' }],
    ['0.3', { ...cardV03, protocolVersion: '0.20' }],
    ['0.3', { ...cardV03, protocolVersion: '0.3' }],
    ['1.0', { ...cardV10, url: 'https://geo.example', protocolVersion: '0.3.0' }],
  ])('is taken for %s by what tells the versions apart', (version, card) => {
    expect(read(card).version).toBe(version);
  });
});

describe('in the form of 1.0', () => {
  it('a 1.0 card is itself, unknown fields and all', () => {
    expect(read(cardV10).card).toEqual(cardV10);
  });

  it('a 0.3 card has interfaces, tagged schemes and requirements, and nothing of what 1.0 has dropped', () => {
    const requirement = { schemes: { oauth: { list: ['plan'] } } };
    const [skill] = cardV03.skills;
    expect(read(cardV03).card).toEqual({
      ...without(
        cardV03,
        'protocolVersion',
        'url',
        'preferredTransport',
        'additionalInterfaces',
        'security',
        'supportsAuthenticatedExtendedCard',
        'signatures',
      ),
      supportedInterfaces: [
        { url: 'https://geo.example/a2a/v1', protocolBinding: 'JSONRPC', protocolVersion: '0.3.0' },
        { url: 'https://geo.example/a2a/grpc', protocolBinding: 'GRPC', protocolVersion: '0.3.0' },
      ],
      capabilities: { streaming: true, pushNotifications: true, extensions: cardV03.capabilities.extensions, extendedAgentCard: true },
      securitySchemes: {
        key: { apiKeySecurityScheme: { name: 'X-Key', location: 'header', description: 'A key' } },
        bearer: { httpAuthSecurityScheme: { scheme: 'bearer', bearerFormat: 'JWT' } },
        oauth: { oauth2SecurityScheme: { flows: cardV03.securitySchemes.oauth.flows } },
        oidc: { openIdConnectSecurityScheme: { openIdConnectUrl: cardV03.securitySchemes.oidc.openIdConnectUrl } },
        mutual: { mtlsSecurityScheme: {} },
      },
      securityRequirements: [requirement, { schemes: { key: { list: [] }, mutual: { list: [] } } }],
      skills: [{ ...without(skill ?? {}, 'security'), securityRequirements: [requirement] }],
    });
  });

  it('a 0.2 card speaks JSON-RPC at its address, in the version it names or 0.2', () => {
    const { card } = read(cardV02);
    expect(card.supportedInterfaces).toEqual([{ url: cardV02.url, protocolBinding: 'JSONRPC', protocolVersion: '0.2.0' }]);
    expect(card).not.toHaveProperty('url');
    expect(card).not.toHaveProperty('security');
    expect(card.capabilities).toEqual({ streaming: true, pushNotifications: false });
    expect(card).toMatchObject({ securityRequirements: [{ schemes: { google: { list: ['openid', 'profile'] } } }] });
    expect(read({ ...cardV02, protocolVersion: '0.2.6' }).card.supportedInterfaces[0]?.protocolVersion).toBe('0.2.6');
  });

  it('is itself a whole 1.0 card', () => {
    for (const old of [cardV02, cardV03]) expect(read(read(old).card)).toMatchObject({ version: '1.0' });
  });

  it('keeps unknown fields', () => {
    const scheme = { type: 'apiKey', in: 'query', name: 'k', loft: 'north' };
    const { card } = read({ ...cardV02, 'x-mine': [1], securitySchemes: { pigeon: scheme } });
    const pigeon = { apiKeySecurityScheme: { location: 'query', name: 'k', loft: 'north' } };
    expect(card).toMatchObject({ 'x-mine': [1], securitySchemes: { pigeon } });
  });

  it('does not change the original', () => {
    const before = structuredClone(cardV03);
    read(cardV03);
    expect(cardV03).toEqual(before);
  });
});

describe('a bad card is told where it is wrong', () => {
  const required = ['name', 'description', 'version', 'capabilities', 'defaultInputModes', 'defaultOutputModes', 'skills'];

  it.each(required)('without %s, in every version', (name) => {
    for (const card of [cardV02, cardV03, cardV10]) expect(faultsOf(without(card, name))).toEqual([name]);
  });

  it('all at once', () => {
    expect(faultsOf({ url: 'https://geo.example' })).toEqual(required.toSorted());
    expect(faultsOf({})).toEqual([...required, 'supportedInterfaces'].toSorted());
  });

  it.each([
    ['name', { name: '' }],
    ['skills', { skills: [] }],
    ['defaultInputModes', { defaultInputModes: [] }],
    ['supportedInterfaces', { supportedInterfaces: [] }],
    ['supportedInterfaces.0.protocolVersion', { supportedInterfaces: [{ url: 'https://a.example', protocolBinding: 'JSONRPC' }] }],
    ['skills.0.tags', { skills: [{ id: 'a', name: 'b', description: 'c' }] }],
    ['capabilities.streaming', { capabilities: { streaming: 'yes' } }],
    ['provider.url', { provider: { organization: 'Example' } }],
  ])('at %s', (path, change) => {
    expect(faultsOf({ ...cardV10, ...change })).toEqual([path]);
  });

  it('whatever its name for the version', () => {
    expect(faultsOf({ ...cardV03, url: '' })).toEqual(['url']);
    expect(faultsOf({ ...cardV03, securitySchemes: { pigeon: { type: 'pigeon' } } })).toEqual(['securitySchemes.pigeon.type']);
    expect(faultsOf({ ...cardV03, additionalInterfaces: [{ url: 'https://a.example' }] })).toEqual(['additionalInterfaces.0.transport']);
  });
});
