// Walks the live items of a range of partitions in the order of their creation.
import type { Database } from '../../database.ts';
import type { Container } from '../container.ts';
import type { KeyRange } from '../partition-key.ts';
import type { Prefilter } from './prefilter.ts';

export interface Found {
  readonly seq: number;
  readonly body: string;
}

const select = (byKey: string, byItem: string) => `
  SELECT seq, body FROM items
  WHERE seq IN (SELECT seq FROM items WHERE container = $container AND partition BETWEEN $low AND $high AND seq > $after ${byKey})
  AND (expires IS NULL OR expires > $now) ${byItem}
  ORDER BY seq`;

const statements: Readonly<Record<Prefilter['kind'] | 'all', string>> = {
  all: select('', ''),
  id: select('AND id = $value', ''),
  text: select('', 'AND instr(body, $value)'),
  '=': select('', 'AND json_extract(body, $path) = $value'),
  '>=': select('', 'AND json_extract(body, $path) >= $value'),
  '<=': select('', 'AND json_extract(body, $path) <= $value'),
};

/** Bound to the turn of the event loop it is called in. @param after the last item of the page before, 0 for none. */
export function* scan(database: Database, container: Container, range: KeyRange, after: number, prefilter?: Prefilter): Generator<Found> {
  const statement = database.sql(statements[prefilter?.kind ?? 'all']);
  statement.setReturnArrays(true);
  const { value, path } = prefilter ?? {};
  const named = {
    container: container.key,
    low: range.from,
    high: range.to,
    after,
    now: Date.now() / 1000,
    ...(value !== undefined && { value }),
    ...(path !== undefined && { path }),
  };
  for (const row of statement.iterate(named)) {
    // The statement selects an integer and a text, and gives rows as arrays.
    const [seq, body] = row as unknown as [number, string];
    yield { seq, body };
  }
}

export function bodyOf(database: Database, seq: number): string {
  const body = database.sql('SELECT body FROM items WHERE seq = ?').get(seq)?.['body'];
  if (typeof body !== 'string') throw new Error(`the item ${seq} is gone within one turn`);
  return body;
}
