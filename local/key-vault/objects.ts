// Named objects with versions and soft delete: what secrets and keys stand on. Every method belongs inside Database.write or .read.
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { Database } from '../database.ts';
import { forbidden, Refusal } from './refusal.ts';

/** Days a deleted object can be recovered; afterwards it is gone. */
export const recoverableDays = 90;

export const schema = `
  CREATE TABLE IF NOT EXISTS object (
    kind TEXT, name TEXT COLLATE NOCASE, latest INTEGER, deleted INTEGER,
    PRIMARY KEY (kind, name)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS version (
    serial INTEGER PRIMARY KEY, kind TEXT, name TEXT COLLATE NOCASE, version TEXT,
    enabled INTEGER, nbf INTEGER, exp INTEGER, created INTEGER, updated INTEGER, tags TEXT, content TEXT,
    UNIQUE (kind, name, version)
  );`;

/** What the caller may say of a version beside its content. */
export const settings = {
  attributes: z
    .strictObject({ enabled: z.boolean().optional(), nbf: z.int().min(0).optional(), exp: z.int().min(0).optional() })
    .optional(),
  tags: z
    .record(z.string().min(1).max(512), z.string().max(512))
    .refine((tags) => Object.keys(tags).length <= 15, 'at most 15 tags')
    .optional(),
};
export type Settings = z.infer<z.ZodObject<typeof settings>>;

const Row = z.object({
  serial: z.int(),
  name: z.string(),
  version: z.string(),
  enabled: z.int().transform(Boolean),
  nbf: z.int().nullable(),
  exp: z.int().nullable(),
  created: z.int(),
  updated: z.int(),
  tags: z.string().nullable(),
  content: z.string(),
  deleted: z.int().nullable(),
});

/** A version of an object. Times are seconds since 1970. */
export interface Stored<Content> extends Omit<z.infer<typeof Row>, 'tags' | 'content'> {
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly content: Content;
  readonly recoveryLevel: 'Recoverable' | 'Recoverable+Purgeable';
}

const Tags = z.record(z.string(), z.string());
const columns = 'v.serial, o.name, v.version, v.enabled, v.nbf, v.exp, v.created, v.updated, v.tags, v.content, o.deleted';
const latest = `SELECT ${columns} FROM object o JOIN version v ON v.serial = o.latest WHERE o.kind = ?`;
const versions = `SELECT ${columns} FROM object o JOIN version v ON v.kind = o.kind AND v.name = o.name WHERE o.kind = ? AND o.name = ?`;

export class Objects<Content> {
  readonly kind: 'Secret' | 'Key';
  readonly #database: Database;
  readonly #content: z.ZodType<Content>;
  readonly #purgeProtection: boolean;

  constructor(database: Database, kind: 'Secret' | 'Key', content: z.ZodType<Content>, purgeProtection: boolean) {
    this.#database = database;
    this.kind = kind;
    this.#content = content;
    this.#purgeProtection = purgeProtection;
  }

  /** Refuses a name that is taken by a deleted object, as the service does until it is recovered or purged. */
  checkNotDeleted(name: string): void {
    if (!this.#one(`${latest} AND o.name = ? AND o.deleted IS NOT NULL`, name)) return;
    const state = 'is currently in a deleted but recoverable state, and its name cannot be reused; in this state';
    const message = `${this.kind} ${name} ${state}, the ${this.kind.toLowerCase()} can only be recovered or purged.`;
    throw new Refusal(409, 'Conflict', message, { inner: 'ObjectIsDeletedButRecoverable' });
  }

  /** Adds a version, which becomes the latest. */
  add(name: string, given: Settings, content: Content): Stored<Content> {
    this.checkNotDeleted(name);
    const version = randomUUID().replaceAll('-', '');
    const { enabled = true, nbf = null, exp = null } = given.attributes ?? {};
    const tags = given.tags ? JSON.stringify(given.tags) : null;
    const created = now();
    const { lastInsertRowid } = this.#database
      .sql('INSERT INTO version VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(this.kind, name, version, Number(enabled), nbf, exp, created, created, tags, JSON.stringify(content));
    this.#database
      .sql('INSERT INTO object (kind, name, latest) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET latest = excluded.latest')
      .run(this.kind, name, lastInsertRowid);
    return this.find(name, version);
  }

  /** A version that is not deleted, the latest when `version` is empty. @throws {Refusal} 404 */
  find(name: string, version = ''): Stored<Content> {
    const found = version
      ? this.#one(`${versions} AND v.version = ? AND o.deleted IS NULL`, name, version)
      : this.#one(`${latest} AND o.name = ? AND o.deleted IS NULL`, name);
    if (found) return found;
    const kind = this.kind.toLowerCase();
    const message =
      `A ${kind} with (name/id) ${version ? `${name}/${version}` : name} was not found in this key vault. ` +
      `If you recently deleted this ${kind} you may be able to recover it using the correct recovery command.`;
    throw new Refusal(404, `${this.kind}NotFound`, message);
  }

  /** The latest version of a deleted object. @throws {Refusal} 404 */
  findDeleted(name: string): Stored<Content> {
    const found = this.#one(`${latest} AND o.name = ? AND o.deleted IS NOT NULL`, name);
    if (found) return found;
    throw new Refusal(404, `${this.kind}NotFound`, `Deleted ${this.kind} not found: ${name}`);
  }

  /** Changes what is given and leaves the rest. */
  change(stored: Stored<Content>, given: Settings, content: Content): Stored<Content> {
    const { enabled = stored.enabled, nbf = stored.nbf, exp = stored.exp } = given.attributes ?? {};
    const tags = given.tags ?? stored.tags;
    this.#database
      .sql('UPDATE version SET enabled = ?, nbf = ?, exp = ?, updated = ?, tags = ?, content = ? WHERE serial = ?')
      .run(Number(enabled), nbf, exp, now(), tags ? JSON.stringify(tags) : null, JSON.stringify(content), stored.serial);
    return this.find(stored.name, stored.version);
  }

  /** Marks an object and all its versions as deleted. */
  delete(name: string): Stored<Content> {
    this.find(name);
    this.#setDeleted(name, now());
    return this.findDeleted(name);
  }

  recover(name: string): Stored<Content> {
    this.findDeleted(name);
    this.#setDeleted(name, null);
    return this.find(name);
  }

  /** Refuses a purge before its time where the vault has purge protection. */
  checkPurge(name: string): void {
    this.findDeleted(name);
    if (!this.#purgeProtection) return;
    const until = 'Key Vault service will automatically purge it after the retention period has passed.';
    throw forbidden(`Operation "purge" is not allowed because purge protection is enabled for this vault. ${until}`, 'ForbiddenByPolicy');
  }

  /** Destroys a deleted object for good. */
  purge(name: string): void {
    this.findDeleted(name);
    this.#database.sql('DELETE FROM version WHERE kind = ? AND name = ?').run(this.kind, name);
    this.#database.sql('DELETE FROM object WHERE kind = ? AND name = ?').run(this.kind, name);
  }

  /** Purges what has been deleted for longer than it can be recovered. */
  purgeExpired(): void {
    const limit = now() - recoverableDays * 86_400;
    for (const { name } of this.#all(`${latest} AND o.deleted < ?`, limit)) this.purge(name);
  }

  /** The latest versions by name, the live ones or the deleted ones. */
  list(state: 'live' | 'deleted', after: string, limit: number): Stored<Content>[] {
    return this.#all(
      `${latest} AND o.deleted IS ${state === 'live' ? '' : 'NOT'} NULL AND o.name > ? ORDER BY o.name LIMIT ?`,
      after,
      limit,
    );
  }

  /** All versions of a live object, ordered by version id: the service does not list them in order of creation either. */
  versions(name: string, after: string, limit: number): Stored<Content>[] {
    this.find(name);
    return this.#all(`${versions} AND v.version > ? ORDER BY v.version LIMIT ?`, name, after, limit);
  }

  #setDeleted(name: string, at: number | null): void {
    this.#database.sql('UPDATE object SET deleted = ? WHERE kind = ? AND name = ?').run(at, this.kind, name);
  }

  #one(sql: string, ...parameters: string[]): Stored<Content> | undefined {
    const row = this.#database.sql(sql).get(this.kind, ...parameters);
    return row && this.#read(row);
  }

  #all(sql: string, ...parameters: (string | number)[]): Stored<Content>[] {
    return this.#database
      .sql(sql)
      .all(this.kind, ...parameters)
      .map((row) => this.#read(row));
  }

  #read(row: object): Stored<Content> {
    const { tags, content, ...rest } = Row.parse(row);
    return {
      ...rest,
      tags: tags === null ? undefined : Tags.parse(JSON.parse(tags)),
      content: this.#content.parse(JSON.parse(content)),
      recoveryLevel: this.#purgeProtection ? 'Recoverable' : 'Recoverable+Purgeable',
    };
  }
}

function now(): number {
  return Math.floor(Date.now() / 1_000);
}
