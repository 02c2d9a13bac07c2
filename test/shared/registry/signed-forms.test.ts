// What a card's signature is over: the text that the SDK of the protocol's authors signs is one of ours, and so is the specification's own example.
import { type AgentCard, canonicalizeAgentCard } from '@a2a-js/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCard } from '../../../shared/registry/card/card.ts';
import { signedForms } from '../../../shared/registry/card/signed-forms.ts';
import { cardV02, cardV03, cardV10 } from './cards.ts';
import { publishedCards } from './published.ts';

function forms(value: Record<string, unknown>): readonly string[] {
  const card = readCard(value);
  if ('errors' in card) throw new Error(JSON.stringify(card.errors));
  return signedForms(card);
}

describe('the texts a signature may be over', () => {
  it('hold what the SDK signs, unknown members or not', () => {
    fc.assert(
      fc.property(fc.oneof(publishedCards('v1.0.1'), publishedCards('v1.0.1', { noise: true })), (card) => {
        // The SDK reads what it is given as JSON, also where its type says it was read before: of what it has read itself it would sign no security scheme.
        expect(forms(card)).toContain(canonicalizeAgentCard(card as unknown as AgentCard));
      }),
      { numRuns: 200 },
    );
  });

  it('know of each OAuth flow what belongs to it', () => {
    const deviceCode = { deviceAuthorizationUrl: 'a', tokenUrl: 'a', scopes: { plan: 'x' }, pkceRequired: true };
    const card = { ...cardV10, securitySchemes: { own: { oauth2SecurityScheme: { flows: { deviceCode } } } } };
    expect(forms(card)).toContain(canonicalizeAgentCard(card as unknown as AgentCard));
  });

  it('keep what is required and drop what has its default, as in A2A 1.0, 8.4.1', () => {
    const capabilities = { streaming: false, pushNotifications: false, extensions: [] };
    const [skill] = cardV10.skills;
    const skills = [{ ...skill, tags: [], examples: [], securityRequirements: [] }];
    const [whole, known, filled] = forms({ ...cardV10, capabilities, skills, iconUrl: '' }).map((form) => JSON.parse(form));
    expect(whole).toMatchObject({ capabilities, skills, 'x-own-field': { kept: true } });
    expect(known).not.toHaveProperty('x-own-field');
    expect(known).toMatchObject({ capabilities: { streaming: false, pushNotifications: false }, iconUrl: '' });
    expect(known.capabilities).not.toHaveProperty('extensions');
    expect(known.skills[0]).toMatchObject({ tags: [] });
    expect(known.skills[0]).not.toHaveProperty('examples');
    expect(filled).not.toHaveProperty('iconUrl');
    expect(filled.skills[0]).not.toHaveProperty('tags');
    expect(filled.capabilities).toEqual({ streaming: false, pushNotifications: false });
  });

  it('never hold the signatures', () => {
    for (const card of [cardV03, cardV10]) for (const form of forms(card)) expect(JSON.parse(form)).not.toHaveProperty('signatures');
  });

  it('of 0.3 are the whole card, and what the SDKs of that time leave of it', () => {
    const { signatures: _, ...card } = cardV03;
    const { protocolVersion: __, preferredTransport: ___, ...bare } = card;
    const [whole, filled, defaults] = forms(cardV03).map((form) => JSON.parse(form));
    expect(whole).toEqual(card);
    expect(filled.security).toEqual([{ oauth: ['plan'] }]);
    expect(defaults).toEqual({ ...bare, security: filled.security });
  });

  it('are none for 0.2, which has no signatures', () => {
    expect(forms(cardV02)).toEqual([]);
  });

  it('tell any two cards apart that differ in more than what is empty', () => {
    for (const name of ['name', 'description', 'version'] as const)
      for (const form of forms({ ...cardV10, [name]: 'another' })) expect(forms(cardV10)).not.toContain(form);
  });
});
