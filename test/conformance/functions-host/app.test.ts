// The life of an app: settings, hooks, logs, registration, a graceful end.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { startHost } from './host-process.ts';

describe('settings', () => {
  it('the environment wins over the start, the start over local.settings.json, all before the app is loaded', async () => {
    await using host = await startHost('settings', {
      env: { A: 'environment' },
      settings: { A: 'start', B: 'start' },
      localSettings: { IsEncrypted: false, Values: { A: 'file', B: 'file', C: 'file' } },
    });
    expect(await (await fetch(`${host.url}/api/settings`)).json()).toEqual({ A: 'environment', B: 'start', C: 'file' });
  });
});

describe('hooks and logs', () => {
  it('run in the order of the real worker and may replace handler, result and error', async () => {
    await using host = await startHost('hooks');
    expect(await (await fetch(`${host.url}/api/wrapped`)).text()).toBe('wrapped inner');
    expect(await (await fetch(`${host.url}/api/mended`)).text()).toBe('mended');
    expect(await (await fetch(`${host.url}/api/steps`)).json()).toEqual([
      'appStart',
      'pre wrapped',
      'post wrapped true',
      'pre mended',
      'post mended true',
      'pre steps',
      'post steps true', // a response is made of the result after the hooks
    ]);
    await host.stop();
    expect(host.lines.at(-1)).toMatchObject({ message: 'appTerminate' });
  });

  it('writes a line per log with level, function and invocation, past the log hook', async () => {
    await using host = await startHost('hooks');
    const invocationId = await (await fetch(`${host.url}/api/logs`)).text();
    const line = await host.line(({ message }) => message === 'a format of 2');
    expect(line).toMatchObject({ level: 'warning', category: 'Function.logs.User', function: 'logs', invocationId });
    expect(host.lines.filter((one) => one.invocationId === invocationId).map(({ message }) => message)).toEqual([
      'renamed in logs',
      'a format of 2',
    ]);
  });

  it('obeys logging.logLevel, the longest category first', async () => {
    const logLevel = { default: 'None', Function: 'Error', 'Function.logs.User': 'Debug' };
    await using host = await startHost('hooks', { hostJson: { logging: { logLevel } } });
    await fetch(`${host.url}/api/logs`);
    await fetch(`${host.url}/api/late`);
    await host.line(({ function: name, level }) => name === 'late' && level === 'error');
    expect(host.lines.map(({ message }) => message)).toContain('too low');
  });

  it('refuses a registration after the start', async () => {
    await using host = await startHost('hooks');
    expect((await fetch(`${host.url}/api/late`)).status).toBe(500);
    await host.line(({ message }) => message.includes('A function can only be registered during app startup.'));
  });
});

describe.each(['buffered', 'streamed'])('a graceful end, %s', (mode) => {
  const env = { STREAM: String(mode === 'streamed') };

  it('takes no more, finishes what is under way, then runs appTerminate', async () => {
    await using host = await startHost('slow', { env: { ...env, RELEASE_AFTER_MS: '200' } });
    const answer = fetch(`${host.url}/api/slow`);
    await host.line(({ message }) => message === 'begun');
    const stopped = host.stop(10_000);
    expect(await (await answer).text()).toBe('done');
    await stopped;
    expect(host.lines.at(-1)).toMatchObject({ message: 'appTerminate' });
    await expect(fetch(`${host.url}/api/release`)).rejects.toThrow();
  });

  it('gives up on what takes longer than the grace', async () => {
    await using host = await startHost('slow', { env });
    const answer = fetch(`${host.url}/api/slow`);
    const gone = expect(answer).rejects.toThrow();
    await host.line(({ message }) => message === 'begun');
    await host.stop(100);
    await gone;
    expect(host.lines.at(-1)).toMatchObject({ message: 'appTerminate' });
  });
});

it('a bundle registers its functions under a bare core module', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-bundle-'));
  try {
    await build({
      entryPoints: [new URL('fixtures/routes.ts', import.meta.url).pathname],
      outfile: join(folder, 'main.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node22',
      mainFields: ['module', 'main'],
      external: ['@azure/functions-core'],
      banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
    });
    const core = new URL('../../../local/functions-host/core-module.ts', import.meta.url).href;
    const program = `
      import { FunctionApp, provideCoreModule } from '${core}';
      const app = new FunctionApp();
      provideCoreModule(app, () => {});
      await import('./main.mjs');
      process.send(app.functions.map(({ metadata }) => [metadata.name, Object.values(metadata.bindings).map(({ type, route }) => route ?? type)]));
    `;
    await writeFile(join(folder, 'list.mjs'), program);
    const [functions] = await once(fork(join(folder, 'list.mjs')), 'message');
    expect(functions).toContainEqual(['b-param', ['things/{id}', 'http']]);
    expect(functions).toHaveLength(11);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
