// A Functions host in a process of its own, as the library keeps its state for the life of a process. Run as a program, this file is that process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { type FunctionsHostOptions, startFunctionsHost } from '../../../local/functions-host/host.ts';

export interface LogLine {
  readonly level: string;
  readonly category: string;
  readonly function?: string;
  readonly invocationId?: string;
  readonly message: string;
}

export interface HostProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Names, in the host's order. */
  readonly functions: readonly string[];
  /** The first line logged, so far or from now on, that `wanted` accepts. */
  line(wanted: (line: LogLine) => boolean): Promise<LogLine>;
  /** Every line logged so far. */
  readonly lines: readonly LogLine[];
  /** Stops the host and then the process; resolves once it is gone. */
  stop(graceMs?: number): Promise<void>;
}

interface Setup {
  readonly hostJson?: object;
  readonly localSettings?: object;
  readonly settings?: Record<string, string>;
  readonly env?: Record<string, string>;
}

/** Starts the app in fixtures/`fixture`; rejects with the reason if the host refuses it. */
export async function startHost(fixture: string, setup: Setup = {}): Promise<HostProcess> {
  const root = await mkdtemp(join(tmpdir(), 'flowgrid-host-'));
  await writeFile(join(root, 'host.json'), JSON.stringify({ version: '2.0', ...setup.hostJson }));
  if (setup.localSettings) await writeFile(join(root, 'local.settings.json'), JSON.stringify(setup.localSettings));
  const child = spawn(process.execPath, [import.meta.filename, root, fixture, JSON.stringify(setup.settings ?? {})], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, ...setup.env },
  });
  const exited = once(child, 'exit').finally(() => rm(root, { recursive: true, force: true }));
  const lines: LogLine[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout ?? Readable.from([]) }).on('line', (text) => {
    lines.push(JSON.parse(text));
    for (const look of waiting) look();
  });
  const [ready] = await Promise.race([once(child, 'message'), exited.then(() => [{ refused: 'the process ended' }])]);
  if (ready.refused) {
    await exited;
    throw new Error(ready.refused);
  }
  const stop = async (graceMs = 5_000) => {
    if (child.connected) child.send(graceMs);
    await exited;
  };
  return {
    url: `http://127.0.0.1:${ready.port}`,
    port: ready.port,
    functions: ready.functions,
    lines,
    line: (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          const found = lines.find(wanted);
          if (!found) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

async function run(root: string, fixture: string, settings: FunctionsHostOptions['settings']): Promise<void> {
  const load = () => import(new URL(`fixtures/${fixture}.ts`, import.meta.url).href);
  try {
    const host = await startFunctionsHost({ root, port: 0, settings, load });
    process.once('message', async (graceMs: number) => {
      await host.stop(graceMs);
      process.disconnect?.();
      process.exit();
    });
    process.once('disconnect', () => process.exit());
    process.send?.({ port: host.port, functions: host.functions.map(({ name }) => name) });
  } catch (error) {
    process.send?.({ refused: error instanceof Error ? error.message : String(error) }, () => process.exit(1));
  }
}

if (import.meta.main) {
  const [root = '', fixture = '', settings = '{}'] = process.argv.slice(2);
  await run(root, fixture, JSON.parse(settings));
}
