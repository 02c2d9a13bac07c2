// `npm run demo`: plays on a twin of its own or on the running one, and tells by its exit code whether everything was as told.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dataFolder, type FlowGrid, startFlowGrid } from '../flowgrid.ts';

const script = fileURLToPath(new URL('../../local/demo.ts', import.meta.url));
const folder = dataFolder();
const empty = dataFolder();
let flowGrid: FlowGrid;

beforeAll(async () => {
  flowGrid = await startFlowGrid(folder.path, '--ephemeral');
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
  empty.remove();
});

function demo(data: string) {
  return spawnSync(process.execPath, [script, '--data', data], { encoding: 'utf8', timeout: 60_000 });
}

test('on a twin of its own', () => {
  const { status, stdout } = demo(empty.path);
  expect(stdout).toContain('A twin of its own');
  expect(stdout).toMatch(/All \d+ steps as told/);
  expect(status).toBe(0);
});

test('on the running one', () => {
  const { status, stdout } = demo(folder.path);
  expect(stdout).toContain(`The running FlowGrid at ${flowGrid.local.api}`);
  expect(status).toBe(0);
});

test('ends with 1, and says at which step, when something is not as told', async () => {
  const body = JSON.stringify([{ service: 'keyVault', match: '--conn--', rate: 1, effect: '500' }]);
  await fetch(flowGrid.local.faults, { method: 'PUT', body, headers: { 'content-type': 'application/json' } });
  const { status, stdout } = demo(folder.path);
  expect(stdout).toContain('\u2717 stores its Notion credential');
  expect(stdout).not.toContain('as told, in');
  expect(status).toBe(1);
});
