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
  WHERE seq IN (SELECT seq FROM items WHERE container = ?1 AND partition BETWEEN ?2 AND ?3 AND seq > ?4 ${byKey})
  AND (expires IS NULL OR expires > ?5) ${byItem}
  ORDER BY seq`;

const statements: Readonly<Record<Prefilter['kind'] | 'all', string>> = {
  all: select('', ''),
  id: select('AND id = ?6', ''),
  text: select('', 'AND instr(body, ?6)'),
  '=': select('', 'AND json_extract(body, ?7) = ?6'),
  '>=': select('', 'AND json_extract(body, ?7) >= ?6'),
  '<=': select('', 'AND json_extract(body, ?7) <= ?6'),
};

/** Bound to the turn of the event loop it is called in. @param after the last item of the page before, 0 for none. */
export function* scan(database: Database, container: Container, range: KeyRange, after: number, prefilter?: Prefilter): Generator<Found> {
  const statement = database.sql(statements[prefilter?.kind ?? 'all']);
  statement.setReturnArrays(true);
  const values = [container.key, range.from, range.to, after, Date.now() / 1000];
  if (prefilter) values.push(prefilter.value);
  if (prefilter?.path !== undefined) values.push(prefilter.path);
  for (const row of statement.iterate(...values)) {
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
