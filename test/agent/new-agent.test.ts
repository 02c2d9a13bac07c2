// `npm run new:agent`: what it writes passes its own test, has right types, and runs against FlowGrid, without anything being installed for it.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { dataFolder, newTenant, until } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';
import { Agents } from './running.ts';

const local = inject('local');
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = dataFolder();
const project = join(folder.path, 'night-watch');
const script = join(root, 'local/new-agent.ts');
let running: ChildProcess | undefined;

function make(name: string[], from = folder.path) {
  return spawnSync(process.execPath, [script, ...name], { cwd: root, env: { ...process.env, INIT_CWD: from }, encoding: 'utf8' });
}

/** As npm runs a script: with the project's own commands before all others. */
function run(name: 'test' | 'types') {
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  const PATH = `${join(project, 'node_modules/.bin')}:/usr/bin:/bin`;
  return spawnSync('sh', ['-c', scripts[name] ?? ''], { cwd: project, encoding: 'utf8', env: { PATH } });
}

beforeAll(() => {
  const { status, stdout, stderr } = make(['night-watch']);
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain('cd night-watch');
});
afterAll(() => {
  running?.kill('SIGKILL');
  folder.remove();
});

describe('a new agent', () => {
  test('passes its test', () => {
    const { status, stdout, stderr } = run('test');
    expect(stdout + stderr).toMatch(/pass 3\n/);
    expect(status).toBe(0);
  });

  test('has right types', () => {
    const { status, stdout } = run('types');
    expect([status, stdout]).toEqual([0, '']);
  });

  test('bears its name, and is told how to run', () => {
    const text = execFileSync('cat', ['README.md', '.env.example', 'src/agent.ts', 'package.json', '.gitignore'], {
      cwd: project,
      encoding: 'utf8',
    });
    expect(text).toContain('# Night Watch\n');
    expect(text).toContain('SERVICEBUS_DEDICATED_QUEUE=acme-night_watch\n');
    expect(text).not.toMatch(/my[-_ ]agent/i);
  });

  test('runs: it is found by its skill, and answers', async () => {
    const tenant = await newTenant(local);
    const owner = new Asker(local.api, tenant.key);
    const agents = new Agents(tenant, owner);
    const environment = await agents.environmentOf('night-watch');
    const child = spawn(process.execPath, ['src/agent.ts'], { cwd: project, env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
    running = child;
    const ended = once(child, 'exit');
    let said = '';
    child.stdout.on('data', (part: Buffer) => (said += part));
    await until('it is ready', async () => said.includes('Night Watch is ready.'), 20_000);
    const { agent } = await agents.start('asker');
    const reply = await agent.request({ to: { skill: 'greet' }, messageType: 'greet', payload: { name: 'Ada' } });
    expect(reply).toMatchObject({ agentId: 'night-watch', messageType: 'greeting', payload: { text: 'Hello Ada, this is Night Watch.' } });
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    await agents.stopAll();
  });
});

describe('no agent is made', () => {
  test.for([
    [[], 'no name for an agent'],
    [['Big'], 'no name for an agent'],
    [['../out'], 'no name for an agent'],
    [['a--b'], 'no name for an agent'],
    [['orchestrator'], 'no name for an agent'],
    [['one', 'two'], 'one name, not 2'],
    [['night-watch'], 'is there already'],
  ] as const)('of %j', ([name, reason]) => {
    const { status, stderr } = make([...name]);
    expect(status).toBe(2);
    expect(stderr).toContain(reason);
  });

  test('over what is there', () => {
    mkdirSync(join(folder.path, 'mine'));
    expect(make(['mine']).status).toBe(2);
    expect(existsSync(join(folder.path, 'mine/package.json'))).toBe(false);
  });
});
