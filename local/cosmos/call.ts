// One request, and the account it is to.
import type { IncomingMessage } from 'node:http';
import type { Database } from '../database.ts';
import { BodyTooLarge, readBody } from '../http.ts';
import type { Address } from './address.ts';
import type { Catalog } from './catalog.ts';
import type { Container } from './container.ts';
import { maxItemBytes, parseBody } from './item-body.ts';
import type { Items } from './items.ts';
import type { Json } from './json.ts';
import { badRequest, tooLarge } from './refusal.ts';

export interface Account {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly items: Items;
}

export interface Call extends Account {
  readonly request: IncomingMessage;
  readonly address: Address;
  /** Whether it is to read what was before the last change: the fault `staleRead`. */
  readonly stale: boolean;
}

export function header({ request }: Call, name: string): string | undefined {
  const value = request.headers[name];
  if (Array.isArray(value)) throw badRequest(`The header ${name} is given twice.`);
  return value;
}

export function isSet(call: Call, name: string): boolean {
  return header(call, name)?.toLowerCase() === 'true';
}

/** The header with the partition key, as a JSON array. */
export function partitionKeyOf(call: Call): string | undefined {
  return header(call, 'x-ms-documentdb-partitionkey');
}

/** The container of a request for items. @throws {Refusal} 404 */
export function containerOf({ catalog, address }: Call): Container {
  return catalog.container(address.database, address.container);
}

/** @throws {Refusal} 400, 413 */
export async function bodyOf({ request }: Call): Promise<Json> {
  try {
    return parseBody((await readBody(request, maxItemBytes)).toString());
  } catch (error) {
    throw error instanceof BodyTooLarge ? tooLarge() : error;
  }
}
