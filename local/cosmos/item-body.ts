// What an item may be, and the text it is stored and sent as.
import type { Container } from './container.ts';
import { isDeeperThan, isObject, type Json, type JsonObject } from './json.ts';
import { keyOf, mismatch, type PartitionKey } from './partition-key.ts';
import { badRequest, type Refusal, tooLarge } from './refusal.ts';

/** Bytes of an item, and of a request. */
export const maxItemBytes = 2 * 1024 * 1024;
const maxIdBytes = 1023;
const maxDepth = 128;
/** Of a request: an item lies some levels down in a batch. */
const maxBodyDepth = 140;
const maxTtl = 2_147_483_647;
const systemProperties = new Set(['_rid', '_self', '_etag', '_attachments', '_ts']);

export function parseBody(text: string): Json {
  let body: Json;
  try {
    body = JSON.parse(text);
  } catch {
    throw invalidPayload();
  }
  if (isDeeperThan(body, maxBodyDepth)) throw badRequest(`The request is nested deeper than ${maxBodyDepth} levels.`);
  return body;
}

/** The id of an item that may be stored under this key. @throws {Refusal} 400 */
export function checkedId(container: Container, partition: PartitionKey, item: JsonObject): string {
  const { id } = item;
  if (typeof id !== 'string' || id === '')
    throw badRequest("The input content is invalid because the required properties - 'id; ' - are missing");
  if (/[/\\?#]/.test(id)) throw badRequest(`The id '${id}' holds one of the characters / \\ ? and #.`);
  if (Buffer.byteLength(id) > maxIdBytes) throw badRequest(`The id is longer than ${maxIdBytes} bytes.`);
  if (isDeeperThan(item, maxDepth)) throw badRequest(`The item is nested deeper than ${maxDepth} levels.`);
  if (keyOf(container, item) !== partition) throw mismatch();
  return id;
}

/** @throws {Refusal} 400 */
export function asItem(body: Json): JsonObject {
  if (!isObject(body)) throw invalidPayload();
  return body;
}

function invalidPayload(): Refusal {
  return badRequest('The request payload is invalid. Ensure to provide a valid request payload.');
}

/** When an item written now stops to exist, in seconds since 1970: https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live. */
export function expiryOf(container: Container, item: JsonObject, ts: number): number | null {
  const { defaultTtl } = container.definition;
  if (defaultTtl === undefined) return null;
  const ttl = item['ttl'] === undefined ? defaultTtl : item['ttl'];
  if (typeof ttl !== 'number' || !Number.isInteger(ttl) || ttl === 0 || ttl < -1 || ttl > maxTtl) {
    throw badRequest(
      `The input ttl '${ttl}' is invalid. Ensure to provide a nonzero positive integer less than or equal to '${maxTtl}', or '-1' which means never expire.`,
    );
  }
  return ttl === -1 ? null : ts + ttl;
}

export interface Stamp {
  readonly seq: number;
  readonly etag: string;
  readonly ts: number;
}

/** The text of an item with its system properties, ready to send. @throws {Refusal} 413 */
export function textOf(container: Container, item: JsonObject, { seq, etag, ts }: Stamp): string {
  const own = JSON.stringify(Object.fromEntries(Object.entries(item).filter(([name]) => !systemProperties.has(name))));
  if (Buffer.byteLength(own) > maxItemBytes) throw tooLarge();
  const bytes = Buffer.alloc(16);
  bytes.write(container.rid.replaceAll('-', '/'), 'base64');
  bytes.writeBigUInt64BE(BigInt(seq), 8);
  const rid = bytes.toString('base64').replaceAll('/', '-');
  const system = `"_rid":"${rid}","_self":"${container.self}docs/${rid}/","_etag":${JSON.stringify(etag)},"_attachments":"attachments/","_ts":${ts}`;
  return `${own.slice(0, -1)},${system}}`;
}
