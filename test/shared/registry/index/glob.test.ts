// Globs: held to a definition that tries everything, and to a bound on what the worst of them costs.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileGlob } from '../../../../shared/registry/index/glob.ts';

/** By definition. */
function holds(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const rest = pattern.slice(1);
  if (pattern[0] === '*') return holds(rest, text) || (text !== '' && holds(pattern, text.slice(1)));
  return text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && holds(rest, text.slice(1));
}

const pattern = fc.array(fc.constantFrom('a', 'b', '*', '?', '.', '['), { maxLength: 8 }).map((parts) => parts.join(''));
const text = fc.array(fc.constantFrom('a', 'b', '.', '['), { maxLength: 10 }).map((parts) => parts.join(''));

test('match what their definition says', () => {
  fc.assert(
    fc.property(pattern, text, (one, other) => {
      expect(compileGlob(one)(other)).toBe(holds(one, other));
    }),
    { numRuns: 5_000 },
  );
});

test.for([
  ['incident-*', 'incident-agent', true],
  ['incident-*', 'an-incident-agent', false],
  ['*INCIDENT*', 'an-incident-agent', true],
  ['agent-?', 'agent-1', true],
  ['agent-?', 'agent-', false],
  ['a*a', 'a', false],
  ['*', '', true],
] as const)('%s on %s: %s', ([one, other, expected]) => {
  expect(compileGlob(one)(other)).toBe(expected);
});

test('cost no more than pattern × text', () => {
  const worst = compileGlob(`*${'a?'.repeat(60)}b*${'a*'.repeat(60)}c`);
  const started = process.cpuUsage();
  for (let count = 0; count < 100; count++) expect(worst('a'.repeat(4_096))).toBe(false);
  // Backtracking would take longer than the world has been there.
  expect(process.cpuUsage(started).user).toBeLessThan(10_000_000);
});
