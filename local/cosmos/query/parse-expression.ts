// Parses the expressions of a query by recursive descent: or, and, one condition, its operands.
import type { Json, Value } from '../json.ts';
import { badRequest } from '../refusal.ts';
import { aggregates, type Comparison, comparisons, type Expression, functions } from './expression.ts';
import { isReserved, queryNotModelled, syntaxError, type Token, type Tokens } from './tokens.ts';

export type Parameters = ReadonlyMap<string, Json>;

const maxNesting = 100;

export class ExpressionParser {
  readonly #tokens: Tokens;
  readonly #parameters: Parameters;
  /** The first words of all paths so far: what an item is called, the FROM clause tells after their first use. */
  readonly roots: Token[] = [];
  #nesting = 0;

  constructor(tokens: Tokens, parameters: Parameters) {
    this.#tokens = tokens;
    this.#parameters = parameters;
  }

  expression(): Expression {
    return this.#chain('or', () => this.#chain('and', () => this.#condition()));
  }

  operand(): Expression {
    this.#nesting += 1;
    if (this.#nesting > maxNesting) throw badRequest(`The query is nested deeper than ${maxNesting} levels.`);
    const operand = this.#primary();
    this.#nesting -= 1;
    return operand;
  }

  #chain(kind: 'and' | 'or', part: () => Expression): Expression {
    const first = part();
    const operands = [first];
    while (this.#tokens.skip(kind.toUpperCase())) operands.push(part());
    return operands.length === 1 ? first : { kind, operands };
  }

  #condition(): Expression {
    const left = this.operand();
    const compare = (operator: Comparison): Expression => ({ kind: 'compare', operator, left, right: this.operand() });
    const operator = comparisonOf(this.#tokens.peek());
    if (operator) {
      this.#tokens.take();
      return compare(operator);
    }
    const negated = this.#tokens.peek().text.toUpperCase() === 'NOT';
    let condition: Expression;
    if (this.#tokens.skip('IN', negated ? 1 : 0)) {
      this.#tokens.expect('(');
      condition = { kind: 'or', operands: this.#tokens.list(() => compare('=')) };
      this.#tokens.expect(')');
    } else if (this.#tokens.skip('BETWEEN', negated ? 1 : 0)) {
      const low = compare('>=');
      this.#tokens.expect('AND');
      condition = { kind: 'and', operands: [low, compare('<=')] };
    } else return left;
    return negated ? { kind: 'not', operand: condition } : condition;
  }

  #primary(): Expression {
    const token = this.#tokens.take();
    switch (token.kind) {
      case 'string':
        return { kind: 'literal', value: token.text };
      case 'number':
        return { kind: 'literal', value: Number(token.text) };
      case 'parameter': {
        const value = this.#parameters.get(token.text);
        if (value === undefined) throw badRequest(`The query has no value for the parameter ${token.text}.`);
        return { kind: 'literal', value };
      }
      case 'word':
        return this.#startingWith(token);
    }
    if (token.text === '(') {
      const inner = this.expression();
      this.#tokens.expect(')');
      return inner;
    }
    if (token.text === '-' && this.#tokens.peek().kind === 'number') return { kind: 'literal', value: -Number(this.#tokens.take().text) };
    throw syntaxError(token);
  }

  #startingWith(word: Token): Expression {
    const literals: Readonly<Record<string, Value>> = { TRUE: true, FALSE: false, NULL: null, UNDEFINED: undefined };
    const name = word.text.toUpperCase();
    if (Object.hasOwn(literals, name)) return { kind: 'literal', value: literals[name] };
    if (name === 'NOT') return this.#not();
    if (this.#tokens.skip('(')) return this.#call(name);
    if (isReserved(name)) throw syntaxError(word);
    this.roots.push(word);
    return { kind: 'path', path: this.#path() };
  }

  /** The service binds NOT tighter than comparisons and most readers do not: only what both read alike is taken. */
  #not(): Expression {
    const operand = this.operand();
    const next = this.#tokens.peek();
    if (comparisonOf(next) || /^(NOT|IN|BETWEEN|LIKE)$/i.test(next.text))
      throw queryNotModelled('NOT before a comparison without parentheses');
    return { kind: 'not', operand };
  }

  #call(name: string): Expression {
    if (aggregates.some((aggregate) => aggregate === name)) throw queryNotModelled(`${name} anywhere but in SELECT VALUE ${name}(…)`);
    if (!isFunction(name)) throw queryNotModelled(`the function ${name}`);
    const operands = this.#tokens.list(() => this.expression());
    this.#tokens.expect(')');
    const [fewest, most] = functions[name];
    if (operands.length < fewest || operands.length > most) throw badRequest(`The ${name} function takes ${fewest} to ${most} arguments.`);
    return { kind: 'call', name, operands };
  }

  #path(): (string | number)[] {
    const path: (string | number)[] = [];
    for (;;) {
      if (this.#tokens.skip('.')) path.push(this.#tokens.name());
      else if (this.#tokens.skip('[')) {
        const index = this.operand();
        const name = index.kind === 'literal' ? index.value : undefined;
        if (typeof name !== 'string' && !(typeof name === 'number' && Number.isSafeInteger(name) && name >= 0)) {
          throw queryNotModelled('an index that is not a property name or a position');
        }
        path.push(name);
        this.#tokens.expect(']');
      } else return path;
    }
  }
}

function comparisonOf({ kind, text }: Token): Comparison | undefined {
  if (kind !== 'symbol') return undefined;
  return text === '<>' ? '!=' : comparisons.find((comparison) => comparison === text);
}

function isFunction(name: string): name is keyof typeof functions {
  return Object.hasOwn(functions, name);
}
