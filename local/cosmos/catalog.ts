// Databases and containers. All of them are also in memory: an account has 500 at most.
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { Database } from '../database.ts';
import { type Container, type Definition, parseDefinition, partitionPaths, ResourceId } from './container.ts';
import type { Json } from './json.ts';
import { badRequest, conflict, invalid, notFound, ownerNotFound } from './refusal.ts';

export const catalogSchema = `
  PRAGMA locking_mode = EXCLUSIVE;
  CREATE TABLE IF NOT EXISTS databases (key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, etag TEXT NOT NULL, ts INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS containers (
    key INTEGER PRIMARY KEY AUTOINCREMENT, database INTEGER NOT NULL, id TEXT NOT NULL, definition TEXT NOT NULL, etag TEXT NOT NULL,
    ts INTEGER NOT NULL, UNIQUE (database, id));`;

const DatabaseRow = z.object({ key: z.int(), id: z.string(), etag: z.string(), ts: z.int() });
const ContainerRow = DatabaseRow.extend({ database: z.int(), definition: z.string() });
const DatabaseBody = z.strictObject({ id: ResourceId });

interface DatabaseEntry extends z.infer<typeof DatabaseRow> {
  readonly rid: string;
  readonly containers: Map<string, Container>;
}

const maxResources = 500;

/** Call its methods inside the work of `Database.write` or `Database.read`. */
export class Catalog {
  readonly #database: Database;
  readonly #databases = new Map<string, DatabaseEntry>();

  constructor(database: Database) {
    this.#database = database;
    for (const row of database.sql('SELECT * FROM databases ORDER BY key').all()) this.#addDatabase(DatabaseRow.parse(row));
    for (const row of database.sql('SELECT * FROM containers ORDER BY key').all()) {
      const { database: key, definition, ...rest } = ContainerRow.parse(row);
      const owner = this.#databases.values().find((entry) => entry.key === key);
      if (owner) this.#addContainer(owner, { ...rest, definition: parseDefinition(JSON.parse(definition)) });
    }
  }

  databases(): DatabaseEntry[] {
    return [...this.#databases.values()];
  }

  database(id: string): DatabaseEntry {
    const found = this.#databases.get(id);
    if (!found) throw notFound();
    return found;
  }

  createDatabase(body: Json): DatabaseEntry {
    const parsed = DatabaseBody.safeParse(body);
    if (!parsed.success) throw invalid('The database definition', parsed.error);
    const { id } = parsed.data;
    if (this.#databases.has(id)) throw conflict();
    this.#checkRoom();
    const row = { id, etag: newEtag(), ts: now() };
    const key = insertedKey(this.#database.sql('INSERT INTO databases (id, etag, ts) VALUES (?, ?, ?)').run(row.id, row.etag, row.ts));
    return this.#addDatabase({ key, ...row });
  }

  deleteDatabase(id: string): void {
    const database = this.database(id);
    for (const name of database.containers.keys()) this.deleteContainer(database.id, name);
    this.#database.sql('DELETE FROM databases WHERE key = ?').run(database.key);
    this.#databases.delete(database.id);
  }

  /** @param asOwner whether the request is for something inside the container: its absence is then told by another substatus. */
  container(databaseId: string, id: string, asOwner = true): Container {
    const database = this.#databases.get(databaseId);
    const found = database?.containers.get(id);
    if (!found) throw asOwner || !database ? ownerNotFound() : notFound();
    return found;
  }

  createContainer(databaseId: string, body: Json): Container {
    const database = this.#databases.get(databaseId);
    if (!database) throw ownerNotFound();
    const definition = parseDefinition(body);
    if (database.containers.has(definition.id)) throw conflict();
    this.#checkRoom();
    const row = { etag: newEtag(), ts: now() };
    const key = insertedKey(
      this.#database
        .sql('INSERT INTO containers (database, id, definition, etag, ts) VALUES (?, ?, ?, ?, ?)')
        .run(database.key, definition.id, JSON.stringify(definition), row.etag, row.ts),
    );
    return this.#addContainer(database, { key, definition, ...row });
  }

  /** Another indexing policy; what items depend on stays as it is. */
  replaceContainer(databaseId: string, id: string, body: Json): Container {
    const container = this.container(databaseId, id, false);
    const definition = parseDefinition(body);
    const fixed = ({ indexingPolicy: _, ...rest }: Definition) => JSON.stringify(rest);
    if (fixed(definition) !== fixed(container.definition))
      throw badRequest('The local twin models the replacement of a container for its indexing policy only.');
    const changed = { definition, etag: newEtag(), ts: now() };
    this.#database
      .sql('UPDATE containers SET definition = ?, etag = ?, ts = ? WHERE key = ?')
      .run(JSON.stringify(definition), changed.etag, changed.ts, container.key);
    return this.#addContainer(this.database(databaseId), { key: container.key, ...changed });
  }

  deleteContainer(databaseId: string, id: string): void {
    const { key, definition } = this.container(databaseId, id, false);
    this.#database.sql('DELETE FROM items WHERE container = ?').run(key);
    this.#database.sql('DELETE FROM containers WHERE key = ?').run(key);
    this.database(databaseId).containers.delete(definition.id);
  }

  #checkRoom(): void {
    const count = this.databases().reduce((sum, { containers }) => sum + 1 + containers.size, 0);
    if (count >= maxResources) throw badRequest(`An account holds at most ${maxResources} databases and containers.`);
  }

  #addDatabase(row: z.infer<typeof DatabaseRow>): DatabaseEntry {
    const entry = { ...row, rid: ridOf(row.key), containers: new Map() };
    this.#databases.set(row.id, entry);
    return entry;
  }

  #addContainer(database: DatabaseEntry, given: Pick<Container, 'key' | 'definition' | 'etag' | 'ts'>): Container {
    const rid = ridOf(database.key, given.key);
    const container = { ...given, rid, self: `dbs/${database.rid}/colls/${rid}/`, partitionPaths: partitionPaths(given.definition) };
    database.containers.set(given.definition.id, container);
    return container;
  }
}

/** An id as the service makes them: 4 bytes a database, 4 more a container, 8 more an item, base64 with `-` for `/`. */
export function ridOf(database: number, container?: number): string {
  const bytes = Buffer.alloc(container === undefined ? 4 : 8);
  bytes.writeUInt32BE(database);
  if (container !== undefined) bytes.writeUInt32BE(container + 0x8000_0000, 4);
  return bytes.toString('base64').replaceAll('/', '-');
}

export function describeDatabase({ id, rid, etag, ts }: DatabaseEntry): string {
  return JSON.stringify({ id, _rid: rid, _self: `dbs/${rid}/`, _etag: etag, _colls: 'colls/', _users: 'users/', _ts: ts });
}

export function newEtag(): string {
  return `"${randomUUID()}"`;
}

/** Seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

function insertedKey({ lastInsertRowid }: { lastInsertRowid: number | bigint }): number {
  return Number(lastInsertRowid);
}
