// The push agent of docs/push-agents.md, run as it stands there.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { sign } from '../../../shared/messaging/signature.ts';
import { AgentId } from '../../../shared/scope/ids.ts';
import { cardOf, newTenant } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { scopeOf, servicesBeside } from './beside.ts';

const local = inject('local');
const services = servicesBeside(local);
const root = new URL('../../../', import.meta.url);
const [, program = ''] = /```js\n(.*?)```/s.exec(readFileSync(new URL('docs/push-agents.md', root), 'utf8')) ?? [];
let child: ChildProcess | undefined;
let lines: AsyncIterableIterator<string>;

beforeAll(() => expect(program).toContain('createServer'));
afterAll(async () => {
  child?.kill('SIGKILL');
  await services.close();
});

const nextLine = async () => (await lines.next()).value;

test('it takes what FlowGrid signed for it, once, and nothing else', async () => {
  const tenant = await newTenant(local);
  const [owner, scope] = [new Asker(local.api, tenant.key), await scopeOf(services, tenant.key)];
  const settings = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/pushed/environment`);
  child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: root,
    env: { ...settings, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!child.stdout) throw new Error('it prints');
  lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const endpoint = `http://127.0.0.1:${/\d+$/.exec(await nextLine())?.[0]}/`;
  const registration = { card: cardOf('pushed'), delivery: 'push', endpoint };
  await new Asker(local.api, settings['FLOWGRID_API_TOKEN']).post('/api/registry/agents/pushed/register', registration);

  const send = async (payload: string, more: Record<string, string> = {}, to = 'pushed') => {
    const key = await services.signingKeys.of(scope, to);
    if (!key) throw new Error('the tenant is made');
    const { agentId, messageId } = { agentId: 'sender', messageId: crypto.randomUUID() };
    const timestamp = new Date().toISOString();
    const unsigned = { messageId, tenantId: tenant.id, agentId, to: 'pushed', messageType: 'note.taken', payload, timestamp, ...more };
    const envelope = { ...unsigned, signature: sign(unsigned, key) };
    return () => services.messageHandling.handle(scope, envelope, { queue: 'agents', attempt: 1 });
  };
  const once = await send('Grüße ☃');
  expect(await once()).toEqual({ kind: 'complete' });
  expect(await once()).toEqual({ kind: 'complete' });
  for (const forged of [
    await send('of another', {}, 'other'),
    await send('of yesterday', { timestamp: new Date(Date.now() - 25 * 3_600_000).toISOString() }),
    await send('of elsewhere', { tenantId: 'elsewhere' }),
  ])
    expect(await forged()).toMatchObject({ kind: 'retry', counts: true });
  expect(await (await send('the end'))()).toEqual({ kind: 'complete' });
  expect(await nextLine()).toBe('sender says note.taken: "Grüße ☃"');
  expect(await nextLine()).toBe('sender says note.taken: "the end"');
  expect((await services.registry.reach(scope, AgentId.parse('pushed')))?.endpoint).toBe(endpoint);
});
