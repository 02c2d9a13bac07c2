// Random conditions against a second, naive implementation of what they mean, which shares nothing with the twin's.
import type { JSONValue } from '@azure/cosmos';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTarget } from './target.ts';

const target = await startTarget();
const container = await target.container();
afterAll(() => target.stop());

const scalars: JSONValue[] = [null, true, false, 0, 1, -1, 2.5, 0.1, 1e21, '', 'a', 'ab', 'b', 'B', '1', 'ä', 'a"b\\c'];
const arrays: JSONValue[] = [[], ['a'], ['a', 1, null], [{ k: 'a', v: 1 }], [['a']]];
const scalar = fc.constantFrom(...scalars);
const value = fc.oneof({ weight: 6, arbitrary: scalar }, { weight: 1, arbitrary: fc.constantFrom(...arrays, { v: 1 }, { v: 'a' }) });
const body = fc.record(
  { p: value, q: value, inner: fc.record({ p: value, v: scalar }, { requiredKeys: [] }), list: fc.constantFrom(...arrays, 'a') },
  { requiredKeys: [] },
);

const paths = ['p', 'q', 'inner.p', 'inner.v', 'list', 'list[0]', 'list[0].k', 'missing'];
const comparisons = ['=', '!=', '<', '<=', '>', '>='] as const;

type Condition =
  | { kind: 'compare'; path: string; operator: (typeof comparisons)[number]; to: JSONValue; turned: boolean }
  | { kind: 'in'; path: string; values: JSONValue[] }
  | { kind: 'call'; name: string; path: string; operand: JSONValue; option: boolean | undefined }
  | { kind: 'test'; name: 'IS_DEFINED' | 'IS_NULL'; path: string }
  | { kind: 'bare'; path: string }
  | { kind: 'not'; operand: Condition }
  | { kind: 'and' | 'or'; operands: Condition[] };

const path = fc.constantFrom(...paths);
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ kind: fc.constant('compare' as const), path, operator: fc.constantFrom(...comparisons), to: value, turned: fc.boolean() }),
    fc.record({ kind: fc.constant('in' as const), path, values: fc.array(scalar, { minLength: 1, maxLength: 3 }) }),
    fc.record({
      kind: fc.constant('call' as const),
      name: fc.constantFrom('STARTSWITH', 'ENDSWITH', 'CONTAINS', 'ARRAY_CONTAINS'),
      path,
      operand: value,
      option: fc.option(fc.boolean(), { nil: undefined }),
    }),
    fc.record({ kind: fc.constant('test' as const), name: fc.constantFrom('IS_DEFINED' as const, 'IS_NULL' as const), path }),
    fc.record({ kind: fc.constant('bare' as const), path }),
    fc.record({ kind: fc.constant('not' as const), operand: tie('condition') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      operands: fc.array(tie('condition'), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));

/** The text of a condition; its values become parameters. */
function write(given: Condition, parameters: JSONValue[]): string {
  const parameter = (of: JSONValue) => `@p${parameters.push(of) - 1}`;
  switch (given.kind) {
    case 'compare':
      return given.turned
        ? `${parameter(given.to)} ${given.operator} c.${given.path}`
        : `c.${given.path} ${given.operator} ${parameter(given.to)}`;
    case 'in':
      return `c.${given.path} IN (${given.values.map(parameter).join(', ')})`;
    case 'call':
      return `${given.name}(c.${given.path}, ${parameter(given.operand)}${given.option === undefined ? '' : `, ${given.option}`})`;
    case 'test':
      return `${given.name}(c.${given.path})`;
    case 'bare':
      return `c.${given.path}`;
    case 'not':
      return `NOT (${write(given.operand, parameters)})`;
    default:
      return `(${given.operands.map((each) => write(each, parameters)).join(` ${given.kind.toUpperCase()} `)})`;
  }
}

type Given = JSONValue | undefined;

function look(item: Given, at: string): Given {
  let found = item;
  for (const [, name, index] of at.matchAll(/(\w+)|\[(\d+)\]/g)) {
    if (index !== undefined || /^\d+$/.test(name ?? '')) found = Array.isArray(found) ? found[Number(index ?? name)] : undefined;
    else if (typeof found !== 'object' || found === null || Array.isArray(found)) found = undefined;
    else found = new Map(Object.entries(found)).get(name ?? '');
  }
  return found;
}

const typeName = (of: Given) => (of === null ? 'null' : Array.isArray(of) ? 'array' : typeof of);
const text = (of: JSONValue): string =>
  typeName(of) === 'object'
    ? `{${Object.entries(of as object)
        .sort()
        .map(([name, inner]) => `${JSON.stringify(name)}:${text(inner)}`)}}`
    : Array.isArray(of)
      ? `[${of.map(text)}]`
      : JSON.stringify(of);

/** Of the service's three results. */
function meaning(given: Condition, item: JSONValue): boolean | undefined {
  switch (given.kind) {
    case 'compare': {
      const found = look(item, given.path);
      return given.turned ? compared(given.to, given.operator, found) : compared(found, given.operator, given.to);
    }
    case 'in':
      return meaning(
        { kind: 'or', operands: given.values.map((to) => ({ kind: 'compare', path: given.path, operator: '=', to, turned: false })) },
        item,
      );
    case 'call':
      return called(given.name, look(item, given.path), given.operand, given.option ?? false);
    case 'test':
      return given.name === 'IS_DEFINED' ? look(item, given.path) !== undefined : look(item, given.path) === null;
    case 'bare': {
      const found = look(item, given.path);
      return typeof found === 'boolean' ? found : undefined;
    }
    case 'not': {
      const inner = meaning(given.operand, item);
      return inner === undefined ? undefined : !inner;
    }
    default: {
      const all = given.operands.map((each) => meaning(each, item));
      const decisive = given.kind === 'or';
      if (all.includes(decisive)) return decisive;
      return all.includes(undefined) ? undefined : !decisive;
    }
  }
}

function compared(left: Given, operator: (typeof comparisons)[number], right: Given): boolean | undefined {
  if (left === undefined || right === undefined || typeName(left) !== typeName(right)) return undefined;
  if (operator === '=') return text(left) === text(right);
  if (operator === '!=') return text(left) !== text(right);
  if (typeof left === 'object' && left !== null) return undefined;
  // Two values of one of the types JavaScript orders as the service does; null is neither below nor above itself.
  const [a, b] = [left ?? 0, right ?? 0] as [number, number];
  return { '<': a < b, '<=': a <= b, '>': a > b, '>=': a >= b }[operator];
}

function called(name: string, found: Given, operand: JSONValue, option: boolean): boolean | undefined {
  if (name === 'ARRAY_CONTAINS') {
    if (!Array.isArray(found)) return undefined;
    const isPart = (element: JSONValue) =>
      typeName(operand) === 'object' && typeName(element) === 'object' && option
        ? Object.entries(operand as object).every(([key, inner]) => compared(look(element, key), '=', inner) === true)
        : text(element) === text(operand);
    return found.some(isPart);
  }
  if (typeof found !== 'string' || typeof operand !== 'string') return undefined;
  const [whole, part] = option ? [found.toLowerCase(), operand.toLowerCase()] : [found, operand];
  if (name === 'STARTSWITH') return whole.slice(0, part.length) === part;
  if (name === 'ENDSWITH') return part === '' || whole.slice(-part.length) === part;
  return whole.split(part).length > 1 || part === '';
}

const items = fc.sample(body, { numRuns: 80, seed: 20261122 }).map((item, i) => ({ id: String(i), tenantId: 't', ...item }));

beforeAll(async () => {
  for (const item of items) await container.items.create(item);
});

it('every condition keeps the items the model keeps', async () => {
  await fc.assert(
    fc.asyncProperty(condition, async (given) => {
      const values: JSONValue[] = [];
      const query = `SELECT VALUE c.id FROM c WHERE ${write(given, values)}`;
      const parameters = values.map((of, i) => ({ name: `@p${i}`, value: of }));
      const { resources } = await container.items.query({ query, parameters }, { partitionKey: 't' }).fetchAll();
      expect(resources).toEqual(items.filter((item) => meaning(given, item as unknown as JSONValue) === true).map(({ id }) => id));
    }),
    { numRuns: 400 },
  );
});
