// Our reading of cards against what the protocol's authors published: both take, or both refuse, whatever the version; and what we make of a card for
// readers of another version is one of that version.
import { AgentCard, canonicalizeAgentCard } from '@a2a-js/sdk';
import { isLegacyAgentCard, parseLegacyAgentCard } from '@a2a-js/sdk/compat/v0_3/client';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CardVersion, cardIn, cardVersions, type ReadCard, readCard } from '../../../shared/registry/card/card.ts';
import { CardV02, CardV03, CardV10 } from '../../../shared/registry/card/schemas.ts';
import { publishedCards, publishedCheck, publishedTags, type Tag } from './published.ts';

const schemaFor = (tag: Tag) => (tag.startsWith('v0.2') ? CardV02 : tag === 'v0.3.0' ? CardV03 : CardV10);
const newest = { '0.2': 'v0.2.6', '0.3': 'v0.3.0', '1.0': 'v1.0.1' } as const;

/** The card with one member, anywhere in it, taken out or made something else. */
const spoiled = (cards: fc.Arbitrary<Record<string, unknown>>) =>
  fc
    .tuple(cards, fc.nat(), fc.constantFrom<unknown>(undefined, null, 7, true, 'word', {}, { x: 1 }, [{}], [7]))
    .map(([card, at, value]) => {
      const copy = structuredClone(card);
      const places = [...placesIn(copy)];
      const [holder, name] = places[at % places.length] ?? [copy, 'name'];
      if (value !== undefined) holder[name] = value;
      else if (Array.isArray(holder)) holder[0] = null;
      else delete holder[name];
      return copy;
    });

/** A card that says which version it is of, where it says so at all. */
const naming = (version: CardVersion, value: Record<string, unknown>) =>
  version === '1.0' ? value : { ...value, protocolVersion: version };

function* placesIn(value: unknown): Generator<[Record<string, unknown>, string]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    // An array is written by its indices, as an object by its names.
    yield [value as Record<string, unknown>, name];
    yield* placesIn(member);
  }
}

function read(value: Record<string, unknown>): ReadCard {
  const result = readCard(value);
  if ('errors' in result) throw new Error(JSON.stringify(result.errors));
  return result;
}

describe.each(publishedTags)('the published %s', (tag) => {
  const check = publishedCheck(tag);

  it('takes what we take and refuses what we refuse', () => {
    fc.assert(
      fc.property(fc.oneof(publishedCards(tag), spoiled(publishedCards(tag)), spoiled(publishedCards(tag))), (card) => {
        const ours = schemaFor(tag).safeParse(card);
        expect(ours.success, JSON.stringify([card, ours.error?.issues, check.errors])).toBe(check(card));
      }),
      { numRuns: 150 },
    );
  });

  it('takes its own cards, and we take them too', () => {
    fc.assert(fc.property(publishedCards(tag), (card) => check(card) && schemaFor(tag).safeParse(card).success));
  });
});

describe('a card in other words', () => {
  const checks = new Map(publishedTags.map((tag) => [tag, publishedCheck(tag)]));

  it.each(cardVersions)('of %s is valid in every version', (version) => {
    fc.assert(
      fc.property(publishedCards(newest[version], { noise: true }), (value) => {
        const card = read(naming(version, value));
        expect(card.version).toBe(version);
        for (const [tag, check] of checks) {
          const other = cardVersions.find((each) => tag.startsWith(`v${each}`)) ?? '1.0';
          // A card that is served as it came may hold what only a later patch of its version gave a meaning.
          if (other === version && tag !== newest[version]) continue;
          expect(check(cardIn(other, card)), JSON.stringify([tag, check.errors, cardIn(other, card)])).toBe(true);
          expect(schemaFor(tag).safeParse(cardIn(other, card)).success).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each(cardVersions)('of %s is served as it came in its own', (version) => {
    fc.assert(
      fc.property(publishedCards(newest[version], { noise: true }), (value) => {
        const card = read(naming(version, value));
        expect(cardIn(version, card)).toBe(card.original);
      }),
    );
  });

  it('says the same again when it comes back', () => {
    fc.assert(
      fc.property(publishedCards('v1.0.1'), (value) => {
        const older = cardIn('0.3', read({ ...value, supportedInterfaces: interfacesOf('0.3.0') }));
        const again = read(cardIn('0.3', read(cardIn('1.0', read({ ...older, protocolVersion: '0.3.0' })))));
        expect(again.original).toEqual({ ...older, protocolVersion: '0.3.0' });
      }),
    );
  });
});

describe('the SDK of the protocol’s authors', () => {
  it('reads our 1.0 cards, and its own writing of them says the same', () => {
    fc.assert(
      fc.property(publishedCards('v1.0.1'), (value) => {
        const { signatures: _, ...card } = read(value).card;
        const { signatures: __, ...theirs } = AgentCard.toJSON(AgentCard.fromJSON(card)) as Record<string, unknown>;
        expect(canonicalizeAgentCard(AgentCard.fromJSON(theirs))).toBe(canonicalizeAgentCard(AgentCard.fromJSON(card)));
      }),
    );
  });

  it('makes of a 0.3 card the 1.0 card that we make', () => {
    fc.assert(
      fc.property(publishedCards('v0.3.0').filter(hasFlows), (value) => {
        const card = read({ ...value, protocolVersion: '0.3.0' });
        const theirs = parseLegacyAgentCard(card.original);
        const ours = AgentCard.fromJSON(cardIn('1.0', card));
        // They repeat an interface that is listed twice, and stamp those beside the first with `0.3`.
        const plain = (each: AgentCard) => ({
          ...each,
          supportedInterfaces: [...new Set(each.supportedInterfaces.map(({ url, protocolBinding }) => `${protocolBinding} ${url}`))].sort(),
          signatures: [],
        });
        expect(canonicalizeAgentCard(plain(ours) as unknown as AgentCard)).toBe(
          canonicalizeAgentCard(plain(theirs) as unknown as AgentCard),
        );
        expect(plain(ours)).toEqual(plain(theirs));
      }),
    );
  });

  it('knows our 0.3 cards for such, and reads them', () => {
    fc.assert(
      fc.property(publishedCards('v1.0.1'), (value) => {
        const older = cardIn('0.3', read({ ...value, supportedInterfaces: interfacesOf('0.3') }));
        expect(isLegacyAgentCard(older)).toBe(true);
        if (hasFlows(older)) expect(parseLegacyAgentCard(older)).toMatchObject({ name: older['name'] });
      }),
    );
  });
});

function interfacesOf(protocolVersion: string): object[] {
  return [
    { url: 'https://agents.example/a2a', protocolBinding: 'JSONRPC', protocolVersion },
    { url: 'https://agents.example/rest', protocolBinding: 'HTTP+JSON', protocolVersion },
  ];
}

/** The SDK throws on an OAuth scheme without any flow, which both versions allow. */
function hasFlows(card: Record<string, unknown>): boolean {
  return !JSON.stringify(card).includes('"flows":{}');
}
