// What an app registers with the Functions host, file by file, read in a process of its own. Run as a program, this file is that process.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FunctionApp, type FunctionMetadata, provideCoreModule } from '../local/functions-host/core-module.ts';

export interface Registration {
  /** Relative to the folder. */
  readonly file: string;
  readonly functions: readonly FunctionMetadata[];
}

/** The repository's own function files, in the order they are loaded in. */
export const sources = {
  folder: join(import.meta.dirname, '..'),
  files: globSync('functions/**/*.ts', { cwd: join(import.meta.dirname, '..') }).sort(),
};

/** Imports `files` of `folder` one after another under the bare core module. Nothing of this process's environment is handed on but `env`. */
export async function registrationsOf(
  { folder, files }: { folder: string; files: readonly string[] },
  env: Record<string, string> = {},
): Promise<Registration[]> {
  const child = fork(import.meta.filename, [folder, ...files], { cwd: folder, env, execArgv: [] });
  const exited = once(child, 'exit');
  const answer = await Promise.race([once(child, 'message'), exited]);
  await exited;
  if (!Array.isArray(answer[0])) throw new Error(`the app did not load (${answer[0]})`);
  return answer[0];
}

async function read(folder: string, files: readonly string[]): Promise<Registration[]> {
  const app = new FunctionApp();
  provideCoreModule(app, () => undefined);
  const registrations: Registration[] = [];
  for (const file of files) {
    const before = app.functions.length;
    await import(pathToFileURL(join(folder, file)).href);
    registrations.push({ file, functions: app.functions.slice(before).map(({ metadata }) => metadata) });
  }
  return registrations;
}

if (import.meta.main) {
  const [folder = '', ...files] = process.argv.slice(2);
  const registrations = await read(folder, files);
  process.send?.(registrations, () => process.exit());
}
