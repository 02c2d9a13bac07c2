// One start command a data folder: two brokers over one database would each think it theirs.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';

export class FolderLock {
  readonly #file: string;
  readonly #shared: boolean;
  #taken = false;

  /** A `shared` lock is none: several hosts may join one twin. */
  constructor(file: string, shared: boolean) {
    this.#file = file;
    this.#shared = shared;
  }

  /** Throws when a start command that still runs holds it; what a killed one left is taken over. */
  take(): void {
    if (this.#shared) return;
    const holder = this.#holder();
    if (holder !== undefined)
      throw new Error(`another start command (process ${holder}) uses this data folder; stop it, or choose another with --data`);
    writeFileSync(this.#file, String(process.pid));
    this.#taken = true;
  }

  release(): void {
    if (this.#taken) rmSync(this.#file, { force: true });
  }

  #holder(): number | undefined {
    try {
      const pid = Number(readFileSync(this.#file, 'utf8'));
      if (!Number.isInteger(pid) || pid === process.pid) return undefined;
      process.kill(pid, 0);
      return isStart(pid) ? pid : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Numbers are used again: the process must be a start command, where the system tells. */
function isStart(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('local/start.ts');
  } catch {
    return true;
  }
}
