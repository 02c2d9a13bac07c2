// What one operation of the vault is given and answers, and how its parameters are read.
import * as z from 'zod';
import { badParameter, notModelled } from './refusal.ts';

export interface Call {
  /** Scheme and authority for ids and links. */
  readonly base: string;
  readonly path: string;
  readonly name: string;
  /** Empty for the latest version. */
  readonly version: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  /** Counts `cost` more against the request limits, if they are on. @throws {Refusal} 429 */
  spend(cost: number): void;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
}

/** A method, the path's pattern with the groups `name` and `version`, and the operation. */
export type Route = readonly [method: string, path: RegExp, run: (call: Call) => Promise<Answer>];

/** @throws {Refusal} 400 for a wrong value, 501 for a property the twin does not know */
export function readBodyAs<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = schema.safeParse(body ?? {});
  if (read.success) return read.data;
  for (const issue of read.error.issues) {
    if (issue.code === 'unrecognized_keys') throw notModelled(`Property ${[...issue.path, issue.keys[0]].join('.')}`);
  }
  const [issue] = read.error.issues;
  throw badParameter(`Property ${issue?.path.join('.') ?? ''} has invalid value: ${issue?.message ?? ''}`);
}

const pageSize = 25;

/** One page of `{ value, nextLink }`. `rows` answers up to `limit` rows after the marker, `mark` is the field the rows are ordered by. */
export function page<Mark extends string, Row extends Readonly<Record<Mark, string>>>(
  call: Call,
  rows: (after: string, limit: number) => Row[],
  mark: Mark,
  show: (row: Row) => object,
): Answer {
  const size = Number(call.query.get('maxresults') ?? pageSize);
  if (!Number.isInteger(size) || size < 1 || size > pageSize) throw badParameter(`maxresults must be between 1 and ${pageSize}`);
  const found = rows(readMarker(call.query.get('$skiptoken')), size + 1);
  const value = found.slice(0, size);
  const last = value.at(-1);
  return {
    status: 200,
    body: { value: value.map(show), nextLink: last && found.length > size ? linkAfter(call, last[mark], size) : null },
  };
}

function linkAfter(call: Call, marker: string, size: number): string {
  const token = Buffer.from(JSON.stringify({ NextMarker: marker })).toString('base64url');
  return `${call.base}${call.path}?api-version=${call.query.get('api-version')}&$skiptoken=${token}&maxresults=${size}`;
}

const Marker = z.strictObject({ NextMarker: z.string() });

function readMarker(token: string | null): string {
  if (token === null) return '';
  try {
    return Marker.parse(JSON.parse(Buffer.from(token, 'base64url').toString())).NextMarker;
  } catch {
    throw badParameter('The $skiptoken is invalid.');
  }
}
