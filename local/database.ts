// The one way the twin keeps data: SQLite in WAL mode, writes of one turn of the event loop committed together.
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/**
 * A SQLite file whose writers share commits. `write` runs its work at once, so checks and changes are serial, and resolves when the group it
 * joined is on disk; `read` resolves after any group open at that moment, so nobody sees what a `kill -9` could still undo.
 */
export class Database {
  readonly #file: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #group: Promise<void> | undefined;

  /** `durable` = safe on `kill -9` and, but for the last moments, on a power cut; otherwise safe on `kill -9` only. */
  constructor(path: string, schema: string, durable: boolean) {
    this.#file = new DatabaseSync(path);
    this.#file.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durable ? 'NORMAL' : 'OFF'}; PRAGMA temp_store = MEMORY;`);
    this.#file.exec(schema);
  }

  /** A prepared statement, kept for the life of the file: pass constant text only. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.#file.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /** Runs `work` now, all of it or (when it throws) nothing of it, and answers once it is on disk. */
  async write<T>(work: () => T): Promise<T> {
    this.#group ??= this.#open();
    const group = this.#group;
    this.sql('SAVEPOINT piece').run();
    let result: T;
    try {
      result = work();
      this.sql('RELEASE piece').run();
    } catch (error) {
      this.sql('ROLLBACK TO piece').run();
      this.sql('RELEASE piece').run();
      await group;
      throw error;
    }
    await group;
    return result;
  }

  /** Runs `work` now and answers once everything it could have seen is on disk. */
  async read<T>(work: () => T): Promise<T> {
    try {
      return work();
    } finally {
      await this.#group;
    }
  }

  close(): void {
    if (!this.#file.isOpen) return;
    if (this.#file.isTransaction) this.#file.exec('COMMIT');
    this.#file.close();
  }

  #open(): Promise<void> {
    this.sql('BEGIN').run();
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#group = undefined;
        if (!this.#file.isOpen) return resolve();
        try {
          this.sql('COMMIT').run();
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }
}
