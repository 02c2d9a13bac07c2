// One child process of the start command: started, spoken to, started again when it dies.
import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** What a child says once it serves. */
export interface Ready {
  readonly ready: Record<string, number>;
}

/**
 * What keeps an idle child small, for no throughput that could be measured. Half of V8's own limit in MiB: 25 MB less of what a start leaves behind.
 * Without the second compiler of WebAssembly the types cost 11 MB less to strip; a host, where Cedar runs, keeps it.
 */
const small = {
  twin: ['--max-semi-space-size=8', '--liftoff-only'],
  host: ['--max-semi-space-size=8'],
  agents: ['--max-semi-space-size=1', '--liftoff-only', '--optimize-for-size'],
};
export type Kind = keyof typeof small;

/** A child that dies this often before it ever served will not serve. */
const firstTries = 1;

export class Child {
  readonly name: string;
  readonly #kind: Kind;
  readonly #orders: (last: Record<string, number> | undefined) => Promise<object>;
  readonly #onReady: () => void;
  #process: ChildProcess | undefined;
  #ports: Record<string, number> | undefined;
  #stopping = false;
  #failures = 0;

  /** `kind` is the script beside this folder. `orders` is what the child is told, given the ports it had when it last served. */
  constructor(name: string, kind: Kind, orders: (last: Record<string, number> | undefined) => Promise<object>, onReady: () => void) {
    this.name = name;
    this.#kind = kind;
    this.#orders = orders;
    this.#onReady = onReady;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get ports(): Record<string, number> {
    if (!this.#ports) throw new Error(`${this.name} does not serve yet`);
    return this.#ports;
  }

  /** Resolves once the child serves; rejects when it ends before it ever has. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      // Its own process group: Ctrl-C reaches the start command alone, which stops its children in order.
      const child = fork(fileURLToPath(new URL(`../${this.#kind}.ts`, import.meta.url)), {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        detached: true,
        execArgv: small[this.#kind],
      });
      this.#process = child;
      child.on('message', (message: Ready) => {
        this.#ports = message.ready;
        this.#failures = 0;
        resolve();
        this.#onReady();
      });
      child.once('exit', (code, signal) => {
        if (this.#stopping) return;
        if (!this.#ports && ++this.#failures >= firstTries)
          return reject(new Error(`${this.name} ended (${signal ?? code}) before it served`));
        this.#again(resolve, reject);
      });
      this.#orders(this.#ports).then(
        (orders) => child.connected && child.send(orders),
        (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
      );
    });
  }

  /** Asks it to end, and ends it when it does not within `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const late = new AbortController();
    const timer = wait(graceMs, undefined, { signal: late.signal }).then(
      () => child.kill('SIGKILL'),
      () => undefined,
    );
    await ended;
    late.abort();
    await timer;
  }

  /** At once after a first death, with a growing pause when it keeps dying. */
  #again(resolve: () => void, reject: (error: Error) => void): void {
    this.#failures += 1;
    const pause = Math.min(800, 50 * this.#failures);
    setTimeout(() => {
      if (!this.#stopping) this.start().then(resolve, reject);
    }, pause);
  }
}
