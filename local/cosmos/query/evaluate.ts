// Evaluates expressions over items with the service's rules for what is not there: `undefined` is no value and no error, it spreads.
import { at, covers, isObject, type Json, same, type Value } from '../json.ts';
import type { Comparison, Expression, FunctionName } from './expression.ts';
import { compareScalars, isScalar } from './scalar.ts';

export type Evaluator = (item: Json) => Value;

/** A condition keeps an item only when it is `true`: `undefined` and other values do not. */
export function compile(expression: Expression): Evaluator {
  switch (expression.kind) {
    case 'literal': {
      const { value } = expression;
      return () => value;
    }
    case 'path': {
      const { path } = expression;
      return (item) => at(item, path);
    }
    case 'call': {
      const operands = expression.operands.map(compile);
      const apply = behaviours[expression.name];
      return (item) => apply(...operands.map((evaluate) => evaluate(item)));
    }
    case 'compare': {
      const { operator } = expression;
      const left = compile(expression.left);
      const right = compile(expression.right);
      return (item) => compared(operator, left(item), right(item));
    }
    case 'and':
    case 'or':
      return connected(expression.operands.map(compile), expression.kind === 'or');
    case 'not': {
      const operand = compile(expression.operand);
      return (item) => {
        const value = operand(item);
        return typeof value === 'boolean' ? !value : undefined;
      };
    }
  }
}

/** `decisive` decides whatever the others are; without it, any operand that is not a boolean leaves the whole undefined. */
function connected(operands: readonly Evaluator[], decisive: boolean): Evaluator {
  return (item) => {
    let result: Value = !decisive;
    for (const evaluate of operands) {
      const value = evaluate(item);
      if (value === decisive) return decisive;
      if (typeof value !== 'boolean') result = undefined;
    }
    return result;
  };
}

const tests: Readonly<Record<Comparison, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '!=': (order) => order !== 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** https://learn.microsoft.com/azure/cosmos-db/nosql/query/equality-comparison-operators: across types the result is undefined. */
function compared(operator: Comparison, left: Value, right: Value): Value {
  if (isScalar(left) && isScalar(right)) return typeof left === typeof right ? tests[operator](compareScalars(left, right)) : undefined;
  const areAlike = (isObject(left) && isObject(right)) || (Array.isArray(left) && Array.isArray(right));
  if (!areAlike || (operator !== '=' && operator !== '!=')) return undefined;
  return tests[operator](same(left, right) ? 0 : 1);
}

const behaviours: Readonly<Record<FunctionName, (...operands: Value[]) => Value>> = {
  STARTSWITH: onStrings((text, part) => text.startsWith(part)),
  ENDSWITH: onStrings((text, part) => text.endsWith(part)),
  CONTAINS: onStrings((text, part) => text.includes(part)),
  ARRAY_CONTAINS: (array, value, partial = false) => {
    if (!Array.isArray(array) || value === undefined || typeof partial !== 'boolean') return undefined;
    if (!partial || !isObject(value)) return array.some((element) => same(element, value));
    return array.some((element) => Object.entries(value).every(([name, part]) => covers(element, name, part)));
  },
  IS_DEFINED: (value) => value !== undefined,
  IS_NULL: (value) => value === null,
};

/** The third operand asks to ignore case. */
function onStrings(test: (text: string, part: string) => boolean): (...operands: Value[]) => Value {
  return (text, part, ignoreCase = false) => {
    if (typeof text !== 'string' || typeof part !== 'string' || typeof ignoreCase !== 'boolean') return undefined;
    return ignoreCase ? test(text.toLowerCase(), part.toLowerCase()) : test(text, part);
  };
}
