// Parses the part of the query language the twin models; anything else is refused by name.
import type { Ordering } from '../indexing-policy.ts';
import { badRequest } from '../refusal.ts';
import { aggregates, type Column, type Expression, type Query, type Selection } from './expression.ts';
import { ExpressionParser, type Parameters } from './parse-expression.ts';
import { isReserved, queryNotModelled, syntaxError, Tokens } from './tokens.ts';

/** @throws {Refusal} 400 that says where the error is, or what is not modelled. */
export function parseQuery(text: string, parameters: Parameters): Query {
  return new QueryParser(text, parameters).query();
}

/** The condition of a patch: `from c where …`. */
export function parseCondition(text: string): Expression {
  const { where, orderBy, limit } = parseQuery(`SELECT * ${text}`, new Map());
  if (!where || orderBy.length > 0 || limit !== Number.POSITIVE_INFINITY) throw badRequest("A patch condition is 'from c where …'.");
  return where;
}

class QueryParser {
  readonly #tokens: Tokens;
  readonly #expressions: ExpressionParser;

  constructor(text: string, parameters: Parameters) {
    this.#tokens = new Tokens(text);
    this.#expressions = new ExpressionParser(this.#tokens, parameters);
  }

  query(): Query {
    const tokens = this.#tokens;
    tokens.expect('SELECT');
    const top = tokens.skip('TOP') ? this.#count() : undefined;
    const selection = this.#selection();
    tokens.expect('FROM');
    const alias = this.#from();
    const where = tokens.skip('WHERE') ? this.#expressions.expression() : undefined;
    const orderBy = tokens.skip('ORDER') ? this.#orderBy() : [];
    const offset = tokens.skip('OFFSET') ? this.#count() : undefined;
    if (offset !== undefined) tokens.expect('LIMIT');
    const limit = offset === undefined ? top : this.#count();
    if (tokens.peek().kind !== 'end') throw syntaxError(tokens.peek());
    if (offset !== undefined && top !== undefined) throw badRequest("'TOP' can not be used with 'OFFSET LIMIT' in one query.");
    const stranger = this.#expressions.roots.find(({ text }) => text !== alias);
    if (stranger) throw badRequest(`Identifier '${stranger.text}' could not be resolved.`);
    if (selection.kind === 'aggregate' && (orderBy.length > 0 || limit !== undefined))
      throw queryNotModelled('an aggregate with ORDER BY, TOP or OFFSET LIMIT');
    return { selection, where, orderBy, offset: offset ?? 0, limit: limit ?? Number.POSITIVE_INFINITY };
  }

  #selection(): Selection {
    if (this.#tokens.skip('*')) return { kind: 'items' };
    if (this.#tokens.skip('VALUE')) {
      const aggregate = this.#aggregate();
      if (aggregate) return aggregate;
      const expression = this.#expressions.expression();
      return expression.kind === 'path' && expression.path.length === 0 ? { kind: 'items' } : { kind: 'value', expression };
    }
    let position = 0;
    const columns = this.#tokens.list(() => this.#column(++position));
    if (new Set(columns.map(({ name }) => name)).size < columns.length)
      throw badRequest('Two columns of the SELECT clause have the same name.');
    return { kind: 'columns', columns };
  }

  #column(position: number): Column {
    const root = this.#tokens.peek().text;
    const expression = this.#expressions.expression();
    const next = this.#tokens.peek();
    if (this.#tokens.skip('AS') || (next.kind === 'word' && !isReserved(next.text))) return { name: this.#tokens.name(), expression };
    const last = expression.kind === 'path' ? (expression.path.at(-1) ?? root) : undefined;
    return { name: typeof last === 'string' ? last : `$${position}`, expression };
  }

  #aggregate(): Selection | undefined {
    const name = aggregates.find((aggregate) => aggregate === this.#tokens.peek().text.toUpperCase());
    if (!name || !this.#tokens.skip('(', 1)) return undefined;
    const operand = this.#expressions.expression();
    this.#tokens.expect(')');
    return { kind: 'aggregate', name, operand };
  }

  /** What the query calls an item. */
  #from(): string {
    const name = this.#tokens.name();
    const { kind, text } = this.#tokens.peek();
    if (text === '.' || text === '[') throw queryNotModelled('a FROM clause that is not the whole item');
    return this.#tokens.skip('AS') || (kind === 'word' && !isReserved(text)) ? this.#tokens.name() : name;
  }

  #orderBy(): Ordering[] {
    this.#tokens.expect('BY');
    return this.#tokens.list(() => {
      const expression = this.#expressions.expression();
      const names = expression.kind === 'path' ? expression.path : [];
      const path = names.filter((name) => typeof name === 'string');
      if (path.length === 0 || path.length < names.length) {
        throw badRequest('Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path.');
      }
      const descending = this.#tokens.skip('DESC');
      if (!descending) this.#tokens.skip('ASC');
      return { path, descending };
    });
  }

  #count(): number {
    const expression = this.#expressions.operand();
    const count = expression.kind === 'literal' ? expression.value : undefined;
    if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0)
      throw badRequest('TOP, OFFSET and LIMIT take an integer of 0 or more.');
    return count;
  }
}
