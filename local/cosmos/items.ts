// Items, and the one place that reads and changes them singly.
import type { Database } from '../database.ts';
import { newEtag, now } from './catalog.ts';
import { readCharge, writeCharge } from './charge.ts';
import type { Container } from './container.ts';
import type { Expiry } from './expiry.ts';
import { checkedId, expiryOf, textOf } from './item-body.ts';
import type { JsonObject } from './json.ts';
import { keyOf, type PartitionKey } from './partition-key.ts';
import { applyPatch, type Patch } from './patch.ts';
import type { PreviousVersions } from './previous-versions.ts';
import { badRequest, conflict, notFound, preconditionFailed } from './refusal.ts';

/** `seq` numbers items in the order of their creation and is never used again; `expires` is in seconds since 1970. */
export const itemsSchema = `
  CREATE TABLE IF NOT EXISTS items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, container INTEGER NOT NULL, partition TEXT NOT NULL, id TEXT NOT NULL, etag TEXT NOT NULL,
    expires INTEGER, body TEXT NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS items_by_id ON items (container, partition, id);
  CREATE INDEX IF NOT EXISTS items_by_expiry ON items (expires) WHERE expires IS NOT NULL;`;

interface Row {
  readonly seq: number;
  readonly etag: string;
  readonly expires: number | null;
  readonly body: string;
}

export type Operation = { readonly ifMatch?: string | undefined } & (
  | { readonly kind: 'create' | 'upsert'; readonly body: JsonObject }
  /** `stale`: as it was before its last change (the fault `staleRead`). */
  | { readonly kind: 'read'; readonly id: string; readonly stale?: boolean }
  | { readonly kind: 'delete'; readonly id: string }
  | { readonly kind: 'replace'; readonly id: string; readonly body: JsonObject }
  | { readonly kind: 'patch'; readonly id: string; readonly patch: Patch }
);

export interface Outcome {
  readonly status: number;
  readonly body?: string;
  readonly etag?: string;
  readonly charge: number;
}

export class Items {
  readonly #database: Database;
  readonly #expiry: Expiry;
  readonly #previous: PreviousVersions;
  #lastSeq: number;

  constructor(database: Database, expiry: Expiry, previous: PreviousVersions) {
    this.#database = database;
    this.#expiry = expiry;
    this.#previous = previous;
    this.#lastSeq = Number(database.sql("SELECT seq FROM sqlite_sequence WHERE name = 'items'").get()?.['seq'] ?? 0);
  }

  /** Call it inside the work of `Database.write` (`Database.read` for a read). @throws {Refusal} and has then changed nothing. */
  perform(container: Container, partition: PartitionKey, operation: Operation): Outcome {
    switch (operation.kind) {
      case 'read': {
        if (operation.stale) return this.#readStale(container, partition, operation.id);
        const { body, etag } = this.#get(container, partition, operation.id);
        return { status: 200, body, etag, charge: readCharge(body.length) };
      }
      case 'create':
      case 'upsert':
        return this.#add(container, partition, operation.body, operation.kind === 'upsert', operation.ifMatch);
      case 'replace': {
        if (operation.body['id'] !== operation.id)
          throw badRequest('The local twin does not model the renaming of an item: the id in the body is not the one in the path.');
        checkedId(container, partition, operation.body);
        const found = this.#get(container, partition, operation.id, operation.ifMatch);
        return this.#store(container, partition, operation.id, operation.body, found, 200);
      }
      case 'patch': {
        const found = this.#get(container, partition, operation.id, operation.ifMatch);
        const patched = applyPatch(container, JSON.parse(found.body), operation.patch);
        checkedId(container, partition, patched);
        return this.#store(container, partition, operation.id, patched, found, 200);
      }
      case 'delete': {
        const found = this.#get(container, partition, operation.id, operation.ifMatch);
        this.#previous.remember(container, partition, operation.id, found.body);
        this.#remove(found);
        return { status: 204, charge: writeCharge(found.body.length) };
      }
    }
  }

  /** What a stored item was before its last change; nothing when it did not exist. */
  previous(container: Container, body: string): string | undefined {
    const item: JsonObject = JSON.parse(body);
    return this.#previous.of(container, keyOf(container, item), String(item['id']), body);
  }

  #readStale(container: Container, partition: PartitionKey, id: string): Outcome {
    const current = this.#find(container, partition, id);
    const body = this.#previous.of(container, partition, id, current && !isExpired(current) ? current.body : undefined);
    if (body === undefined) throw notFound();
    return { status: 200, body, etag: JSON.parse(body)._etag, charge: readCharge(body.length) };
  }

  #add(container: Container, partition: PartitionKey, body: JsonObject, replaces: boolean, ifMatch: string | undefined): Outcome {
    const id = checkedId(container, partition, body);
    let found = this.#find(container, partition, id);
    if (found && isExpired(found)) {
      this.#remove(found);
      found = undefined;
    }
    if (found && !replaces) throw conflict();
    // An upsert that finds nothing creates, whatever If-Match says (azure-cosmos-dotnet-v3 issue 1698).
    if (found) checkMatch(found, ifMatch);
    return this.#store(container, partition, id, body, found, found ? 200 : 201);
  }

  #store(container: Container, partition: PartitionKey, id: string, item: JsonObject, found: Row | undefined, status: number): Outcome {
    const ts = now();
    const etag = newEtag();
    const seq = found?.seq ?? ++this.#lastSeq;
    const expires = expiryOf(container, item, ts);
    const body = textOf(container, item, { seq, etag, ts });
    if (found) {
      this.#database.sql('UPDATE items SET etag = ?, expires = ?, body = ? WHERE seq = ?').run(etag, expires, body, seq);
    } else {
      this.#database
        .sql('INSERT INTO items (seq, container, partition, id, etag, expires, body) VALUES (?, ?, ?, ?, ?, ?, ?)')
        .run(seq, container.key, partition, id, etag, expires, body);
    }
    this.#previous.remember(container, partition, id, found?.body);
    if (expires !== null) this.#expiry.arm(expires);
    return { status, body, etag, charge: writeCharge(body.length) };
  }

  #find(container: Container, partition: PartitionKey, id: string): Row | undefined {
    const statement = this.#database.sql('SELECT seq, etag, expires, body FROM items WHERE container = ? AND partition = ? AND id = ?');
    statement.setReturnArrays(true);
    // The statement selects these columns, the schema gives them these types, and a row in an array is made faster.
    const row = statement.get(container.key, partition, id) as unknown as [number, string, number | null, string] | undefined;
    return row && { seq: row[0], etag: row[1], expires: row[2], body: row[3] };
  }

  #get(container: Container, partition: PartitionKey, id: string, ifMatch?: string): Row {
    const found = this.#find(container, partition, id);
    if (!found || isExpired(found)) throw notFound();
    checkMatch(found, ifMatch);
    return found;
  }

  #remove({ seq }: Row): void {
    this.#database.sql('DELETE FROM items WHERE seq = ?').run(seq);
  }
}

function isExpired({ expires }: Row): boolean {
  return expires !== null && expires * 1000 <= Date.now();
}

function checkMatch({ etag }: Row, ifMatch: string | undefined): void {
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== etag) throw preconditionFailed();
}
