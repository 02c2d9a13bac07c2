// A process that is started again whenever it ends, as any platform that runs agents does, until it is let go.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const restartMs = 200;

export class KeptRunning {
  readonly #script: string;
  readonly #environment: (start: number) => Record<string, string>;
  #process: ChildProcess | undefined;
  #starts = 0;
  #over = false;

  /** `environment` is asked at each start, which it is told the number of. */
  constructor(name: string, environment: (start: number) => Record<string, string>) {
    this.#script = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
    this.#environment = environment;
    void this.#run();
  }

  kill9(): void {
    this.#process?.kill('SIGKILL');
  }

  /** SIGTERM; the exit code it ends with, or null when it has to be killed. */
  async end(graceMs = 10_000): Promise<number | null> {
    this.#over = true;
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await ended;
    clearTimeout(force);
    return child.exitCode;
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const environment = { PATH: process.env['PATH'] ?? '', ...this.#environment(this.#starts++) };
      this.#process = spawn(process.execPath, [this.#script], { env: environment, stdio: ['ignore', 'ignore', 'ignore'] });
      await once(this.#process, 'exit');
      await wait(restartMs);
    }
  }
}
