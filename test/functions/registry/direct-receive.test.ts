// Where every agent is pushed to (FLOWGRID_DIRECT_RECEIVE=false), on a host of its own that joins the twin: nobody listens at a queue.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { writeLocalJson } from '../../../local/start/local-json.ts';
import { cardOf, dataFolder, type FlowGrid, newTenant, startFlowGrid } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { openMailbox } from '../messages/mailbox.ts';

const local = inject('local');
const folder = dataFolder();
let host: FlowGrid;

beforeAll(async () => {
  process.env['FLOWGRID_DIRECT_RECEIVE'] = 'false';
  const file = join(folder.path, 'local.json');
  writeLocalJson(file, { ...local, pids: {} });
  host = await startFlowGrid(folder.path, '--only', 'host', '--join', file);
});
afterAll(async () => {
  delete process.env['FLOWGRID_DIRECT_RECEIVE'];
  await host?.stop();
  folder.remove();
});

test('no agent registers to pull, or gets a token to listen with', async () => {
  const { id, key } = await newTenant(local);
  const owner = new Asker(local.api, key);
  // It registered while that was allowed.
  const reader = await openMailbox(owner, id, 'reader');
  const off = new Asker(host.local.hosts.at(-1) ?? '', key);
  const register = (json: object) => off.ask('POST', '/api/registry/agents/writer/register', { json: { card: cardOf('W'), ...json } });
  for (const pull of [{}, { delivery: 'pull' }, { delivery: 'pull', endpoint: 'https://agents.example' }]) {
    const { errors } = problemOf(await register(pull), 400, 'validation_failed');
    expect(errors?.map(({ pointer }) => pointer)).toEqual(['/delivery']);
  }
  expect((await register({ delivery: 'push', endpoint: 'https://agents.example' })).status).toBe(201);
  problemOf(
    await reader.asker.at(off.base).ask('POST', '/api/messaging/token', { json: { queue: reader.queue } }),
    409,
    'direct_receive_off',
  );
  expect((await reader.asker.ask('POST', '/api/messaging/token', { json: { queue: reader.queue } })).status).toBe(200);
});
