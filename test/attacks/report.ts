// What the attack table found, for a reader.
import type { Finding, Result } from './matrix.ts';

export interface Report {
  readonly url: string;
  readonly startedAt: string;
  /** The attacked tenant and the one it was attacked with. */
  readonly tenants: readonly [victim: string, intruder: string];
  readonly holds: boolean;
  /** Whether what was planted with the attacked tenant is still there, as it was. */
  readonly isWhole: boolean;
  readonly notes: readonly string[];
  readonly attempts: number;
  readonly rows: readonly Line[];
  readonly columns: readonly Line[];
  readonly faults: readonly Finding[];
  readonly doesNotApply: readonly { readonly because: string; readonly cells: readonly string[] }[];
}

interface Line {
  readonly name: string;
  readonly attempts: number;
  readonly faults: number;
  readonly doesNotApply: number;
}

export function reportOf({
  results,
  ...about
}: Pick<Report, 'url' | 'startedAt' | 'tenants' | 'notes' | 'isWhole'> & { readonly results: readonly Result[] }): Report {
  const findings = results.flatMap((result) => ('findings' in result ? result.findings : []));
  const faults = findings.filter(({ fault }) => fault !== undefined);
  const skipped = Map.groupBy(
    results.filter((result) => 'because' in result),
    ({ because }) => because,
  );
  return {
    ...about,
    holds: faults.length === 0 && about.isWhole && findings.length > 0,
    attempts: findings.length,
    rows: linesBy(results, 'row'),
    columns: linesBy(results, 'column'),
    faults,
    doesNotApply: [...skipped].map(([because, cells]) => ({ because, cells: cells.map(({ row, column }) => `${row} × ${column}`) })),
  };
}

function linesBy(results: readonly Result[], by: 'row' | 'column'): Line[] {
  return [...Map.groupBy(results, (result) => result[by])].map(([name, cells]) => {
    const findings = cells.flatMap((cell) => ('findings' in cell ? cell.findings : []));
    return {
      name,
      attempts: findings.length,
      faults: findings.filter(({ fault }) => fault !== undefined).length,
      doesNotApply: cells.filter((cell) => 'because' in cell).length,
    };
  });
}

export function summarize({
  url,
  startedAt,
  tenants,
  holds,
  isWhole,
  notes,
  attempts,
  rows,
  columns,
  faults,
  doesNotApply,
}: Report): string {
  const width = Math.max(...[...rows, ...columns].map(({ name }) => name.length)) + 2;
  const line = ({ name, ...counts }: Line) =>
    `  ${name.padEnd(width)}${String(counts.attempts).padStart(6)}${String(counts.faults).padStart(8)}${String(counts.doesNotApply).padStart(8)}`;
  const head = `  ${''.padEnd(width)}  tried  faults     n/a`;
  const sorted = (lines: readonly Line[]) => lines.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    `Isolation of ${url}, ${startedAt}: ${tenants[0]} attacked with what ${tenants[1]} has`,
    `${attempts} attacks on ${rows.length} functions in ${columns.length} ways`,
    ...notes.map((note) => `Note: ${note}`),
    '',
    head,
    ...sorted(rows).map(line),
    '',
    head,
    ...columns.map(line),
    '',
    'What does not apply, or was not run:',
    ...doesNotApply.map(({ because, cells }) => `  ${String(cells.length).padStart(4)} × ${because}`),
    '',
    ...faults.flatMap(({ column, request, answer, expected, fault }) => [
      `FAULT ${column}: ${request}`,
      `      answered ${answer}, expected ${expected.join(' or ')}: ${fault}`,
    ]),
    ...(isWhole ? [] : ['FAULT what was planted with the attacked tenant is no longer there as it was']),
    holds ? 'Every attack failed, as it must.' : 'NOT ISOLATED: see the faults above.',
  ].join('\n');
}
