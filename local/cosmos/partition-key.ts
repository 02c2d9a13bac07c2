// Logical partitions: the key of an item, of a request, and the range of keys a query may see.
import type { Container } from './container.ts';
import { at, isObject, type Json, type JsonObject } from './json.ts';
import { badRequest, Refusal } from './refusal.ts';

/**
 * The stored form of a full key: the JSON array of its values, `{}` where the item has none (not the same as null). It is canonical, so equal
 * text means equal keys, and keys with a common beginning lie together.
 */
export type PartitionKey = string;

/** The stored keys a query may see, both ends included: one key, or all that begin with a prefix of a hierarchical one. */
export interface KeyRange {
  readonly from: PartitionKey;
  readonly to: PartitionKey;
}

const maxBytes = 2048;

/** The key an item belongs under. */
export function keyOf(container: Container, item: JsonObject): PartitionKey {
  return JSON.stringify(
    container.partitionPaths.map((path) => {
      const value = at(item, path);
      if (typeof value === 'object' && value !== null)
        throw badRequest(`The partition key path '/${path.join('/')}' leads to an object or an array.`);
      return value ?? (value === null ? null : {});
    }),
  );
}

/** The full key of a request for one item or a batch. */
export function fullKey(container: Container, header: string | undefined): PartitionKey {
  if (header === undefined) throw badRequest('PartitionKey value must be supplied for this operation.');
  const values = parse(header);
  if (values.length !== container.partitionPaths.length) throw mismatch();
  return JSON.stringify(values);
}

export function keyRange(container: Container, header: string | undefined): KeyRange {
  if (header === undefined) {
    throw badRequest(
      'The query has no partition key. The local twin does not model cross-partition queries: give the partitionKey option (a full key, or a prefix of a hierarchical one).',
    );
  }
  const values = parse(header);
  if (values.length === 0 || values.length > container.partitionPaths.length) throw mismatch();
  const text = JSON.stringify(values);
  if (values.length === container.partitionPaths.length) return { from: text, to: text };
  const prefix = text.slice(0, -1);
  return { from: `${prefix},`, to: `${prefix}-` };
}

export function mismatch(): Refusal {
  return new Refusal(
    400,
    "Partition key provided either doesn't correspond to definition in the collection or doesn't match partition key field values specified in the document.",
    1001,
  );
}

function parse(header: string): Json[] {
  let values: unknown;
  try {
    values = JSON.parse(header);
  } catch {
    values = undefined;
  }
  if (!Array.isArray(values)) throw badRequest(`Partition key ${header} is invalid.`);
  for (const value of values) {
    if (Array.isArray(value) || (isObject(value) && Object.keys(value).length > 0)) throw badRequest(`Partition key ${header} is invalid.`);
    if (typeof value === 'string' && Buffer.byteLength(value) > maxBytes)
      throw badRequest(`The partition key is longer than ${maxBytes} bytes.`);
  }
  return values;
}
