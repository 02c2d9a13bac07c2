// The faults address of the local start, and a second process that follows it.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followFaults, startFaultControl } from '../../local/fault-control.ts';
import { type Fault, Faults } from '../../local/faults.ts';
import type { Service } from '../../local/service.ts';

const throttle: Fault = { service: 'cosmos', match: '^POST', rate: 0.5, effect: '429' };
const slow: Fault = { service: 'keyVault', rate: 1, effect: 'latency', ms: 50 };

let folder = '';
let faults: Faults;
let control: Service;
const start = (owner = true) => startFaultControl({ faults, port: 0, folder, owner });
const send = (method: string, body?: string) => fetch(`http://127.0.0.1:${control.port}/faults`, { method, body: body ?? null });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowgrid-faults-'));
  faults = new Faults();
  control = await start();
});
afterEach(async () => {
  await control.stop();
  await rm(folder, { recursive: true });
});

describe('the address', () => {
  it('sets, shows and clears the list', async () => {
    expect((await send('PUT', JSON.stringify([throttle, slow]))).status).toBe(200);
    expect(faults.list).toEqual([throttle, slow]);
    expect(await (await send('GET')).json()).toEqual([throttle, slow]);
    await send('PUT', JSON.stringify([slow]));
    expect(faults.list).toEqual([slow]);
    const cleared = await send('DELETE');
    expect([cleared.status, await cleared.text()]).toEqual([204, '']);
    expect(faults.list).toEqual([]);
  });

  it.each([
    ['not JSON', '[{', 'JSON'],
    ['not a list', JSON.stringify(throttle), 'expected array'],
    ['an unknown service', JSON.stringify([{ ...throttle, service: 'redis' }]), '[0].service'],
    ['an unknown field', JSON.stringify([{ ...throttle, when: 'now' }]), 'when'],
    ['a rate above 1', JSON.stringify([throttle, { ...slow, rate: 2 }]), '[1].rate'],
    ['a bad expression', JSON.stringify([{ ...throttle, match: '(' }]), 'not a regular expression'],
    ['a body too large', JSON.stringify([{ ...throttle, match: 'x'.repeat(100_000) }]), 'bytes'],
  ])('refuses %s, naming it, and changes nothing', async (_, body, named) => {
    await send('PUT', JSON.stringify([slow]));
    const refused = await send('PUT', body);
    expect(refused.status).toBe(400);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    const problem = await refused.text();
    expect(JSON.parse(problem)).toMatchObject({ status: 400, code: 'validation_failed' });
    expect(problem).toContain(named);
    expect(faults.list).toEqual([slow]);
  });

  it('shows beside it how many operations came by', async () => {
    const counts = async () => (await fetch(`http://127.0.0.1:${control.port}/counts`)).json();
    expect(await counts()).toEqual({ since: expect.stringMatching(/Z$/), counts: {} });
    faults.operations.add('cosmos', 'GET');
    faults.operations.add('cosmos', 'GET');
    faults.operations.add('serviceBus', 'send');
    expect(await counts()).toMatchObject({ counts: { cosmos: { GET: 2 }, serviceBus: { send: 1 } } });
    expect((await fetch(`http://127.0.0.1:${control.port}/counts`, { method: 'PUT' })).status).toBe(405);
  });

  it('knows one path and three methods', async () => {
    expect((await send('POST', '[]')).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${control.port}/`)).status).toBe(404);
  });
});

describe('followers', () => {
  it('take over what is there, what changes, and the end', async () => {
    await send('PUT', JSON.stringify([throttle]));
    const followed = new Faults();
    const unfollow = followFaults(folder, followed);
    try {
      expect(followed.list).toEqual([throttle]);
      await send('PUT', JSON.stringify([slow, throttle]));
      await expect.poll(() => followed.list).toEqual([slow, throttle]);
      await send('DELETE');
      await expect.poll(() => followed.list).toEqual([]);
      await send('PUT', JSON.stringify([slow]));
      await expect.poll(() => followed.list).toEqual([slow]);
      await control.stop();
      await expect.poll(() => followed.list).toEqual([]);
    } finally {
      unfollow();
    }
  });

  it('end with the last of many changes', async () => {
    const followed = new Faults();
    const unfollow = followFaults(folder, followed);
    try {
      const lists = Array.from({ length: 50 }, (_, i): Fault[] => [{ ...slow, ms: i }]);
      await Promise.all(lists.map((list) => send('PUT', JSON.stringify(list))));
      const last = faults.list;
      expect(JSON.parse(await readFile(join(folder, 'faults.json'), 'utf8'))).toEqual(last);
      await expect.poll(() => followed.list).toEqual(last);
    } finally {
      unfollow();
    }
  });
});

describe('the file', () => {
  it('of an earlier owner is removed at start, and its own at stop', async () => {
    await control.stop();
    await writeFile(join(folder, 'faults.json'), JSON.stringify([slow]));
    control = await start();
    expect(existsSync(join(folder, 'faults.json'))).toBe(false);
    await send('PUT', JSON.stringify([slow]));
    expect(existsSync(join(folder, 'faults.json'))).toBe(true);
    await control.stop();
    expect(existsSync(join(folder, 'faults.json'))).toBe(false);
  });

  it('is left alone by who does not own it', async () => {
    const other = await startFaultControl({ faults: new Faults(), port: 0, folder, owner: false });
    await fetch(`http://127.0.0.1:${other.port}/faults`, { method: 'PUT', body: JSON.stringify([slow]) });
    expect(existsSync(join(folder, 'faults.json'))).toBe(false);
    await other.stop();
  });
});
