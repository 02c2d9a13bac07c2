// Ids: what architecture 3 allows, and nothing else.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentId, IntegrationId, TenantId } from '../../../shared/scope/ids.ts';

const accepts = (schema: { safeParse(value: unknown): { success: boolean } }) => (value: unknown) => schema.safeParse(value).success;

describe('a tenant id', () => {
  it.each(['abc', 'a1b', 'acme', 'acme-eu', 'a-b-c', 'x'.repeat(40), `a${'-b'.repeat(19)}c`])('may be %s', (id) => {
    expect(accepts(TenantId)(id)).toBe(true);
  });

  it.each([
    '',
    'ab',
    'x'.repeat(41),
    '1abc',
    '-abc',
    'abc-',
    'a--b',
    'Acme',
    'acme_eu',
    'acme.eu',
    'acmé',
    'acme\n',
    'acme eu',
    'platform',
    'admin',
    'runtime',
    'system',
    'flowgrid',
  ])('is not %j', (id) => {
    expect(accepts(TenantId)(id)).toBe(false);
  });
});

describe('an agent id', () => {
  it.each(['a1', '1a', 'incident-agent', 'x'.repeat(64), 'agents-eu'])('may be %s', (id) => expect(accepts(AgentId)(id)).toBe(true));

  it.each(['', 'a', 'x'.repeat(65), '-a', 'a-', 'a--b', 'A1', 'a_b', 'a1\n', 'agents', 'orchestrator', 'dlq', 'search'])(
    'is not %j',
    (id) => {
      expect(accepts(AgentId)(id)).toBe(false);
    },
  );
});

describe('an integration id', () => {
  it.each(['a1', 'notion', 'x'.repeat(40), 'my-own'])('may be %s', (id) => expect(accepts(IntegrationId)(id)).toBe(true));
  it.each(['', 'a', 'x'.repeat(41), 'a--b', 'Notion', 'a.b', 'a_b'])('is not %j', (id) => expect(accepts(IntegrationId)(id)).toBe(false));
});

it('takes a text by the very rules of architecture 3, whatever it is', () => {
  const wanted = {
    tenant: /^[a-z]([a-z0-9]|-(?=[a-z0-9])){1,38}[a-z0-9]$/,
    agent: /^[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,62}[a-z0-9]$/,
    integration: /^[a-z0-9]([a-z0-9]|-(?=[a-z0-9])){0,38}[a-z0-9]$/,
  };
  const reserved = ['platform', 'admin', 'runtime', 'system', 'flowgrid', 'agents', 'orchestrator', 'dlq', 'search'];
  const texts = fc.string({ unit: fc.constantFrom('a', 'z', '0', '-', '_', 'A', '.', '\n'), maxLength: 70 });
  fc.assert(
    fc.property(texts, (text) => {
      fc.pre(!reserved.includes(text));
      expect(accepts(TenantId)(text)).toBe(wanted.tenant.test(text));
      expect(accepts(AgentId)(text)).toBe(wanted.agent.test(text));
      expect(accepts(IntegrationId)(text)).toBe(wanted.integration.test(text));
    }),
    { numRuns: 1_000 },
  );
});
