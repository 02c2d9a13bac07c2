// A part of the twin in a process of its own, for tests that kill it. Run as a program, this file is that process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Faults } from '../../local/faults.ts';
import type { Service } from '../../local/service.ts';

export interface PartProcess {
  readonly port: number;
  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<void>;
}

/** Starts the function `start` of the module (a path from the repository's root) with `options`, on a free port. */
export async function startPartProcess(module: string, start: string, options: object): Promise<PartProcess> {
  const child = spawn(process.execPath, [import.meta.filename, module, start, JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = once(child, 'exit');
  const [port] = await Promise.race([once(child, 'message'), exited.then(() => Promise.reject(new Error(`${module} did not start`)))]);
  return {
    port,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

if (import.meta.main) {
  const [module = '', start = '', options = '{}'] = process.argv.slice(2);
  const part: Record<string, (options: object) => Promise<Service>> = await import(new URL(`../../${module}`, import.meta.url).href);
  const service = await part[start]?.({ port: 0, durable: true, faults: new Faults(), ...JSON.parse(options) });
  process.send?.(service?.port);
  process.once('disconnect', () => process.exit());
}
