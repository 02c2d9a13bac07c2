// `npm start` as a user meets it: its options, its data folder, its parts as processes, and what it says when something is wrong.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { Caller } from '../../local/demo/caller.ts';
import { cardOf, dataFolder, type FlowGrid, kill, newTenant, startFlowGrid, until } from '../flowgrid.ts';

const script = fileURLToPath(new URL('../../local/start.ts', import.meta.url));
const running: FlowGrid[] = [];
const folders: { remove(): void }[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((each) => each.stop()));
  for (const folder of folders.splice(0)) folder.remove();
});

function folder(): string {
  const made = dataFolder();
  folders.push(made);
  return made.path;
}

async function start(data: string, ...options: string[]): Promise<FlowGrid> {
  const flowGrid = await startFlowGrid(data, ...options);
  running.push(flowGrid);
  return flowGrid;
}

function run(options: string[], environment: Record<string, string> = {}) {
  return spawnSync(process.execPath, [script, ...options], { encoding: 'utf8', timeout: 30_000, env: { ...process.env, ...environment } });
}

describe('the data folder', () => {
  test('keeps tenants, keys and agents from one start to the next', async () => {
    const data = folder();
    const first = await start(data);
    const before = first.local;
    expect(before.tenants.map(({ id }) => id)).toEqual(['acme', 'globex']);
    const tenant = await newTenant(before);
    await tenant.owner.ask('POST', '/api/registry/agents/kept/register', { card: cardOf('Kept'), ttlSeconds: 3_600 });
    await first.stop();
    const second = await start(data);
    const after = second.local;
    expect(after.tenants).toEqual(before.tenants);
    expect(after.platformKey).toBe(before.platformKey);
    expect(after.keyVault.token).toBe(before.keyVault.token);
    const { items } = await new Caller(after.api, tenant.key).ask<{ items: { agentId: string }[] }>('GET', '/api/registry/agents');
    expect(items.map(({ agentId }) => agentId)).toEqual(['kept']);
    for (const { id, apiKey } of after.tenants) {
      const { total } = await new Caller(after.api, apiKey).ask<{ total: number }>('GET', '/api/registry/agents');
      expect([id, total]).toEqual([id, 2]);
    }
  });

  test('is for one start command at a time', async () => {
    const data = folder();
    const first = await start(data);
    const second = run(['--port', '0', '--data', data]);
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`another start command (process ${first.process.pid}) uses this data folder`);
    expect(await new Caller(first.local.api, first.local.platformKey).ask('GET', '/api/health')).toMatchObject({ status: 'ok' });
  });

  test('is gone with --ephemeral, but for local.json', async () => {
    const data = folder();
    const flowGrid = await start(data, '--ephemeral');
    expect(existsSync(join(data, 'local.json'))).toBe(true);
    await flowGrid.stop();
    expect(readdirSync(data)).toEqual(['local.json']);
  });

  test('holds its keys so that only their owner can read them', async () => {
    const data = folder();
    await start(data);
    for (const name of ['local.json', 'secrets.json']) expect(statSync(join(data, name)).mode & 0o077).toBe(0);
  });
});

describe('what is wrong is said, all of it, before anything starts', () => {
  test('options', () => {
    const { status, stderr } = run(['--port', 'many', '--hosts', '0', '--only', 'redis', '--colour', 'extra']);
    expect(status).toBe(2);
    for (const part of [
      '--port: a whole number',
      '--hosts: a whole number',
      '--only: one of cosmos',
      '--colour: no such option',
      'extra: not an option',
      'npm start --',
    ]) {
      expect(stderr).toContain(part);
    }
  });

  test('settings, never with their values', () => {
    const { status, stdout, stderr } = run(['--port', '0', '--ephemeral', '--data', folder()], {
      FLOWGRID_ROLE: 'everything',
      FLOWGRID_LOG_LEVEL: 'loud',
      FLOWGRID_TYPO: 'x',
      NOTION_BASE_URL: 'not-an-address',
    });
    expect(status).toBe(1);
    const said = stdout + stderr;
    for (const name of ['FLOWGRID_ROLE', 'FLOWGRID_LOG_LEVEL', 'FLOWGRID_TYPO: no such setting', 'NOTION_BASE_URL: not a URL'])
      expect(said).toContain(name);
    expect(said).not.toContain('not-an-address');
  });

  test('an Azure setting beside the insecure transport', () => {
    const { status, stdout, stderr } = run(['--port', '0', '--ephemeral', '--data', folder()], { WEBSITE_SITE_NAME: 'flowgrid' });
    expect(status).toBe(1);
    expect(stdout + stderr).toContain('refused where WEBSITE_SITE_NAME is set');
  });

  test('a port in use', async () => {
    const flowGrid = await start(folder(), '--ephemeral');
    const { port } = new URL(flowGrid.local.api);
    const { status, stderr } = run(['--port', port, '--ephemeral', '--data', folder()]);
    expect(status).toBe(1);
    expect(stderr).toContain(`port ${port} is in use`);
  });
});

describe('parts', () => {
  test('--hosts 2: two hosts, one twin; a dead one comes back and local.json says so', async () => {
    const flowGrid = await start(folder(), '--ephemeral', '--hosts', '2');
    const { hosts, pids } = flowGrid.local;
    expect(hosts).toHaveLength(2);
    expect(Object.keys(pids).sort()).toEqual(['agents', 'host-0', 'host-1', 'twin']);
    kill(pids['host-1'] ?? 0);
    await until('there is a new process', async () => flowGrid.local.pids['host-1'] !== pids['host-1']);
    await until('it serves', async () =>
      fetch(`${hosts[1]}/api/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    expect(flowGrid.local.pids['host-0']).toBe(pids['host-0']);
  });

  test('--only and --join: each part a process of its own, faults and all', async () => {
    const data = folder();
    const file = join(data, 'local.json');
    await start(data, '--only', 'cosmos');
    for (const part of ['service-bus', 'key-vault', 'blobs', 'upstreams']) await start(data, '--only', part, '--join', file);
    const host = await start(data, '--only', 'host', '--join', file);
    const { local } = host;
    expect(Object.keys(local.pids).sort()).toEqual(['blobs', 'cosmos', 'host-0', 'keyVault', 'serviceBus', 'upstreams']);
    const tenant = await newTenant(local);
    expect(await tenant.owner.ask('GET', '/api/auth/whoami')).toMatchObject({ tenantId: tenant.id });
    await fetch(local.faults, { method: 'PUT', body: JSON.stringify([{ service: 'upstream', rate: 1, effect: '500' }]) });
    await until(
      'the upstream, another process, plays the fault',
      async () => (await fetch(`${local.upstreams.rest.url}/v1/users/me`)).status === 500,
    );
    const second = await start(data, '--only', 'host', '--join', file);
    expect(second.local.hosts).toHaveLength(2);
  });

  test('SIGTERM ends every process', async () => {
    const flowGrid = await start(folder(), '--ephemeral');
    const { pids } = flowGrid.local;
    await flowGrid.stop();
    expect(flowGrid.process.exitCode).toBe(0);
    for (const pid of Object.values(pids)) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test('killing the start command alone leaves nothing running', async () => {
    const flowGrid = await start(folder(), '--ephemeral');
    const { pids } = flowGrid.local;
    flowGrid.process.kill('SIGKILL');
    await until('the parts have ended', async () => Object.values(pids).every((pid) => !existsSync(`/proc/${pid}`)), 15_000);
  });
});
