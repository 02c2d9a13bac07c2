// A query as it comes over the wire.
import * as z from 'zod';
import { type Call, containerOf, header, partitionKeyOf } from './call.ts';
import type { Json } from './json.ts';
import { keyRange } from './partition-key.ts';
import { runPage } from './query/page.ts';
import { parseQuery } from './query/parse.ts';
import { badRequest, invalid } from './refusal.ts';
import type { Reply } from './reply.ts';

const Parameter = z.strictObject({ name: z.string().startsWith('@'), value: z.custom<Json>((value) => value !== undefined, 'is missing') });
const QueryBody = z.strictObject({ query: z.string(), parameters: z.array(Parameter).default([]) });

const defaultPageSize = '100';

/** Call it inside the work of `Database.read`. */
export function answerQuery(call: Call, body: Json): Reply {
  const { database, items, stale } = call;
  const container = containerOf(call);
  const range = keyRange(container, partitionKeyOf(call));
  const parsed = QueryBody.safeParse(body);
  if (!parsed.success) throw invalid('The query', parsed.error);
  const size = header(call, 'x-ms-max-item-count') ?? defaultPageSize;
  if (!/^(-1|[1-9]\d{0,6})$/.test(size)) throw badRequest(`A page of '${size}' items: x-ms-max-item-count is a positive number, or -1.`);
  const page = runPage(database, {
    container,
    range,
    query: parseQuery(parsed.data.query, new Map(parsed.data.parameters.map(({ name, value }) => [name, value]))),
    size: size === '-1' ? Number.POSITIVE_INFINITY : Number(size),
    continuation: header(call, 'x-ms-continuation'),
    view: stale ? (stored) => items.previous(container, stored) : undefined,
  });
  return { status: 200, ...page };
}
