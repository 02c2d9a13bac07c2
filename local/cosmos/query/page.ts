// Runs a query over the partitions it may see and gives one page of its result.
import type { Database } from '../../database.ts';
import { queryCharge } from '../charge.ts';
import type { Container } from '../container.ts';
import type { Json, Value } from '../json.ts';
import type { KeyRange } from '../partition-key.ts';
import { aggregate } from './aggregate.ts';
import { type Position, readToken, writeToken } from './continuation.ts';
import { compile } from './evaluate.ts';
import type { Query, Selection } from './expression.ts';
import { checkIndexed, comparator, type Sorted, sortKeys } from './order.ts';
import { prefilterOf } from './prefilter.ts';
import { bodyOf, type Found, scan } from './scan.ts';

export interface PageRequest {
  readonly container: Container;
  readonly range: KeyRange;
  readonly query: Query;
  /** Items at most. */
  readonly size: number;
  readonly continuation: string | undefined;
  /** What a reader sees of a stored item, nothing when it is hidden from it: the fault `staleRead`. */
  readonly view: ((body: string) => string | undefined) | undefined;
}

export interface Page {
  readonly body: string;
  readonly count: number;
  readonly continuation: string | undefined;
  readonly charge: number;
}

const maxBytes = 4 * 1024 * 1024;

/** Call it inside the work of `Database.read`. */
export function runPage(database: Database, request: PageRequest): Page {
  const { query, container } = request;
  checkIndexed(container, query.orderBy);
  const { selection } = query;
  if (selection.kind === 'aggregate') {
    const result = aggregate(selection.name, operands(database, request, selection));
    return pageOf(container, result === undefined ? [] : [JSON.stringify(result)], undefined);
  }

  const start = request.continuation === undefined ? undefined : readToken(request.continuation, query.orderBy.length);
  const project = projection(selection);
  const documents: string[] = [];
  let taken = start?.taken ?? 0;
  let toSkip = start ? 0 : query.offset;
  let bytes = 0;
  let last: Sorted | undefined;
  for (const { seq, keys, body } of query.orderBy.length > 0
    ? sorted(database, request, start)
    : matching(database, request, start?.seq ?? 0)) {
    if (toSkip > 0) {
      toSkip -= 1;
      continue;
    }
    if (taken >= query.limit) break;
    const document = project(body);
    bytes += document === undefined ? 0 : Buffer.byteLength(document) + 1;
    if (last && (documents.length >= request.size || bytes > maxBytes)) return pageOf(container, documents, writeToken({ ...last, taken }));
    if (document !== undefined) documents.push(document);
    taken += 1;
    last = { seq, keys };
  }
  return pageOf(container, documents, undefined);
}

function pageOf(container: Container, documents: readonly string[], continuation: string | undefined): Page {
  const body = `{"_rid":"${container.rid}","Documents":[${documents.join(',')}],"_count":${documents.length}}`;
  return { body, count: documents.length, continuation, charge: queryCharge(body.length) };
}

interface Match extends Found, Sorted {
  /** Parsed, unless the query could tell without. */
  readonly item: Json | undefined;
}

/** What the condition keeps, in the order of creation. */
function* matching(database: Database, { container, range, query, view }: PageRequest, after: number): Generator<Match> {
  const holds = query.where && compile(query.where);
  for (const { seq, body: stored } of scan(database, container, range, after, view ? undefined : prefilterOf(query.where))) {
    const body = view ? view(stored) : stored;
    if (body === undefined) continue;
    const item: Json | undefined = holds && JSON.parse(body);
    if (holds && item !== undefined && holds(item) !== true) continue;
    yield { seq, keys: [], body, item };
  }
}

/** What the condition keeps, sorted: only the keys are held in memory, and the bodies fetched as they are asked for. */
function* sorted(database: Database, request: PageRequest, start: Position | undefined): Generator<Sorted & { readonly body: string }> {
  const { orderBy } = request.query;
  const compare = comparator(orderBy);
  const entries: Sorted[] = [];
  for (const { seq, body, item } of matching(database, request, 0)) {
    const entry = { seq, keys: sortKeys(item ?? JSON.parse(body), orderBy) };
    if (!start || compare(entry, start) > 0) entries.push(entry);
  }
  for (const { seq, keys } of entries.sort(compare)) {
    const stored = bodyOf(database, seq);
    yield { seq, keys, body: request.view?.(stored) ?? stored };
  }
}

function* operands(database: Database, request: PageRequest, { operand }: Extract<Selection, { kind: 'aggregate' }>): Generator<Value> {
  const evaluate = compile(operand);
  for (const { body, item } of matching(database, request, 0)) {
    yield operand.kind === 'literal' ? operand.value : evaluate(item ?? JSON.parse(body));
  }
}

/** The text of a result, none when it is undefined. */
function projection(selection: Exclude<Selection, { kind: 'aggregate' }>): (body: string) => string | undefined {
  if (selection.kind === 'items') return (body) => body;
  if (selection.kind === 'value') {
    const evaluate = compile(selection.expression);
    return (body) => JSON.stringify(evaluate(JSON.parse(body)));
  }
  const columns = selection.columns.map(({ name, expression }) => [name, compile(expression)] as const);
  return (body) => {
    const item: Json = JSON.parse(body);
    return JSON.stringify(Object.fromEntries(columns.map(([name, evaluate]) => [name, evaluate(item)])));
  };
}
