// Where the demo plays: the FlowGrid that runs on this data folder, or one started for the demo alone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type LocalJson, readLocalJson } from '../start/local-json.ts';

export interface Place {
  readonly local: LocalJson;
  /** Started for the demo. */
  readonly own: boolean;
  close(): Promise<void>;
}

export async function openDemo(args: readonly string[]): Promise<Place> {
  const { values } = parseArgs({ args: [...args], options: { data: { type: 'string', default: '.flowgrid' } } });
  const running = await findRunning(join(values.data, 'local.json'));
  if (running) return { local: running, own: false, close: async () => undefined };
  return startOwn();
}

async function findRunning(file: string): Promise<LocalJson | undefined> {
  if (!existsSync(file)) return undefined;
  // Written by the start command when everything serves.
  const local = readLocalJson(file) as LocalJson;
  const alive = await fetch(`${local.api}/api/health`).then(
    ({ ok }) => ok,
    () => false,
  );
  return alive ? local : undefined;
}

async function startOwn(): Promise<Place> {
  const data = mkdtempSync(join(tmpdir(), 'flowgrid-demo-'));
  const start = fileURLToPath(new URL('../start.ts', import.meta.url));
  const process_ = spawn(process.execPath, [start, '--ephemeral', '--port', '0', '--data', data], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(process_, 'exit');
  const file = join(data, 'local.json');
  // The screen is printed when the file is there.
  await Promise.race([once(process_.stdout, 'data'), ended]);
  if (!existsSync(file)) throw new Error('FlowGrid did not start');
  return {
    local: readLocalJson(file) as LocalJson,
    own: true,
    close: async () => {
      process_.kill('SIGTERM');
      await ended;
      rmSync(data, { recursive: true, force: true });
    },
  };
}
