// How an agent's process ends while a handler of it does not.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, inject, test } from 'vitest';
import { newTenant, until } from '../flowgrid.ts';
import { Asker, problemOf } from '../functions/asker.ts';

const local = inject('local');
const script = fileURLToPath(new URL('./stubborn-agent.ts', import.meta.url));
let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
});

async function startStubborn(drainMs: number): Promise<{ child: ChildProcess; owner: Asker; said: () => string }> {
  const tenant = await newTenant(local);
  const owner = new Asker(local.api, tenant.key);
  const environment = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/stubborn/environment`);
  const started = spawn(process.execPath, [script, String(drainMs)], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let said = '';
  for (const stream of [started.stdout, started.stderr]) stream.on('data', (part: Buffer) => (said += part));
  await until('it is ready', async () => said.includes('ready'), 20_000);
  await owner.post('/api/messages', { to: 'stubborn', from: 'stubborn', messageType: 'note', payload: 1 });
  await until('it has begun', async () => said.includes('begun'));
  return { child: started, owner, said: () => said };
}

test('SIGTERM waits so long for a handler and no longer, unregisters, and exits with 0', async () => {
  const { child, owner, said } = await startStubborn(300);
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(said()).toContain('what was being handled was not done within 300 ms');
  problemOf(await owner.ask('GET', '/api/registry/agents/stubborn'), 404, 'not_found');
});

test('a second signal ends it at once, with 1', async () => {
  const { child, owner } = await startStubborn(600_000);
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  // It still waits for its handler, registered as it is.
  expect((await owner.ask('GET', '/api/registry/agents/stubborn')).status).toBe(200);
  child.kill('SIGTERM');
  expect(await ended).toEqual([1, null]);
});
