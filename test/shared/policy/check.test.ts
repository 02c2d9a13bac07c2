// What may be stored as a policy: faults by line and column, and nothing that could spoil the engine for others.
import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import { maxPolicyBytes } from '../../../shared/policy/bounds.ts';
import { type Cedar, loadCedar } from '../../../shared/policy/cedar.ts';
import { checkPolicy } from '../../../shared/policy/check.ts';
import { readAction, readPrincipal, readResource, writeEntity } from '../../../shared/policy/notation.ts';
import { schema } from '../../../shared/policy/schema.ts';
import { deepTexts } from './deep-texts.ts';

let cedar: Cedar;
beforeAll(async () => {
  cedar = await loadCedar();
});

test('the schema is one', () => {
  expect(cedar.checkParseSchema(schema)).toEqual({ type: 'success' });
});

describe('a policy', () => {
  test.for([
    ['of every action', 'permit(principal, action, resource);', 1],
    ['of a tool', 'permit(principal in Role::"agent", action == Action::"tool:invoke", resource in Integration::"notion");', 1],
    ['with the address', 'forbid(principal, action, resource) unless { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };', 1],
    ['of several statements', '// two\npermit(principal, action, resource);\nforbid(principal is User, action, resource is Queue);', 2],
    [
      'of messages',
      'permit(principal in Group::"eu", action == Action::"message:send", resource is Agent) when { context.messageType like "incident.*" };',
      1,
    ],
  ] as const)('%s may be stored', ([, text, statements]) => {
    expect(checkPolicy(cedar, text)).toEqual({ statements, warnings: [] });
  });

  test.for([
    ['that does not parse', '// é\r\npermit(principal, action resource);', 2, 26, 'unexpected token `resource`'],
    ['that ends too early', 'permit(principal, action, resource)', 1, 36, 'unexpected end of input'],
    ['of an unknown action', 'permit(principal,\n  action == Action::"tool:invoked",\n  resource);', 2, 13, 'unrecognized action'],
    ['of an unknown type', '/* */permit(principal, action, resource);', 1, 1, 'unexpected token'],
    [
      'of an unknown entity',
      'permit(principal == Agnt::"a", action, resource);',
      1,
      21,
      'unrecognized entity type `Agnt`; did you mean `Agent`?',
    ],
    ['of an unknown attribute', 'forbid(principal, action, resource)\nwhen { "ü" == "ü" && context.colour == 1 };', 2, 22, '`colour`'],
    ['of an attribute that may not be there', 'forbid(principal, action, resource) when { context.ip.isLoopback() };', 1, 44, 'ip'],
    ['with a slot', 'permit(principal == ?principal, action, resource);', 1, 1, 'templates are not taken'],
    ['without a statement', '// nothing\n', 1, 1, 'no policy'],
    ['with a string that does not end', 'permit(principal == Agent::"a, action, resource);', 1, 28, 'does not end'],
    ['in brackets too deep', `permit(principal, action, resource) when { ${'('.repeat(20)}true${')'.repeat(20)} };`, 1, 63, 'brackets'],
  ] as const)('%s may not', ([, text, line, column, message]) => {
    const checked = checkPolicy(cedar, text);
    expect(checked).toEqual({ faults: expect.arrayContaining([{ line, column, message: expect.stringContaining(message) }]) });
  });

  test('that can never apply is stored with a warning', () => {
    expect(checkPolicy(cedar, 'permit(principal, action == Action::"tool:invoke", resource is Queue);')).toMatchObject({
      statements: 1,
      warnings: expect.arrayContaining([expect.objectContaining({ line: 1, column: 1 })]),
    });
  });
});

describe('the bounds', () => {
  test('refuse, before the engine sees it, what it could not bear', () => {
    for (const [name, text] of Object.entries(deepTexts(4_000))) {
      expect([name, checkPolicy(cedar, text)]).toMatchObject([name, { faults: [expect.anything()] }]);
    }
    expect(checkPolicy(cedar, 'permit(principal, action, resource);')).toMatchObject({ statements: 1 });
  });

  test('let nothing through that it cannot bear', () => {
    // In a process of its own: an engine that ran off its stack is of no use to the other tests.
    const script = new URL('./deep-texts.ts', import.meta.url).pathname;
    const told = execFileSync(process.execPath, ['--stack-size=492', script], { encoding: 'utf8' });
    expect(told.trim().split('\n').slice(-1)).toEqual(['still sound']);
  });

  test('leave room for a policy worth writing', () => {
    const addresses = Array.from({ length: 25 }, (_, at) => `context.ip.isInRange(ip("10.${at}.0.0/16"))`).join(' || ');
    const text = `forbid(principal, action, resource) unless { context has ip && (${addresses}) };`;
    expect(text.length).toBeLessThan(maxPolicyBytes);
    expect(checkPolicy(cedar, text)).toMatchObject({ statements: 1 });
  });
});

describe("Cedar's notation", () => {
  test('is read', () => {
    expect(readPrincipal(' Agent::"a" ')).toEqual({ type: 'Agent', id: 'a' });
    expect(readPrincipal('Tool::"a"')).toBeUndefined();
    expect(readResource('Tool::"notion.createPage"')).toEqual({
      type: 'Tool',
      id: 'notion.createPage',
      in: { type: 'Integration', id: 'notion' },
    });
    for (const text of ['tool:invoke', '"tool:invoke"', 'Action::"tool:invoke"']) expect(readAction(text)).toBe('tool:invoke');
    for (const text of ['', 'Agent', 'Agent::a', 'Agent::"a', 'Agent::"a" ', 'Role::"a"', 'Agent::"a"b"']) {
      if (text !== 'Agent::"a" ') expect([text, readPrincipal(text)]).toEqual([text, undefined]);
    }
    expect(readAction('toString')).toBeUndefined();
    expect(writeEntity({ type: 'User', id: 'a"b' })).toBe('User::"a\\"b"');
  });
});
