// Exports: whole, checkable on another machine with nothing but the public key, and not when anything in them was changed. Archived days are part of everything.
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { thumbprint } from '../../../shared/ledger/checkpoint.ts';
import { Line } from '../../../shared/ledger/lines.ts';
import { cardOf, newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker } from '../asker.ts';
import { settledTrail, trailOf } from '../trail.ts';
import { appendAsAnother, archiveAll, exportOf, Stored, verify } from './ledger.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const script = fileURLToPath(new URL('../../../local/verify-ledger.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'flowgrid-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

let tenant: TestTenant;
let owner: Asker;
let lines: Line[];

beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  for (const asker of [owner, owner.at(there)]) {
    await asker.post('/api/registry/agents/one/register', { card: cardOf('one') });
    await asker.post('/api/messages', { to: 'one', from: 'one', messageType: 'x', payload: 'text' });
  }
  await appendAsAnother(local, tenant.id, 3);
  expect(await verify(owner, tenant.id)).toMatchObject({ ok: true });
  await owner.post('/api/messages', { to: 'one', from: 'one', messageType: 'x', payload: 'more' });
  lines = (await exportOf(owner, tenant.id))
    .trimEnd()
    .split('\n')
    .map((line) => Line.parse(JSON.parse(line)));
});

/** Runs the offline verifier over these lines, with nothing of this process's environment. */
function check(changed: readonly Line[], ...options: string[]): { status: number | null; output: string } {
  const file = join(folder, 'export.ndjson');
  writeFileSync(file, changed.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, file, ...options], { encoding: 'utf8', env: {} });
  return { status, output: stdout + stderr };
}

const keyOf = (all: readonly Line[]) => {
  const line = all.find(({ type }) => type === 'key');
  if (line?.type !== 'key') throw new Error('an export holds its key');
  return line.key;
};

describe('an export', () => {
  test('holds every event of the trail', async () => {
    const known = (await settledTrail(owner, tenant.id)).map(({ id }) => id);
    const exported = new Set(
      lines.flatMap((line) => (line.type === 'segment' ? (line.segment as { events: { id: string }[] }).events : [])).map(({ id }) => id),
    );
    // What came after it is not in it.
    const before = known.filter((id) => exported.has(id));
    expect(before.length).toBeGreaterThan(8);
    expect(before.length).toBe(exported.size);
  });

  test('verifies offline, with the key it brings and with one that was pinned', () => {
    const key = keyOf(lines);
    const own = check(lines);
    expect(own).toMatchObject({ status: 0 });
    expect(own.output).toContain(`VERIFIED`);
    expect(own.output).toContain(thumbprint(key));
    const file = join(folder, 'jwks.json');
    writeFileSync(file, JSON.stringify({ keys: [{ ...key, kid: 'x', use: 'sig' }] }));
    expect(check(lines, '--key', file)).toMatchObject({ status: 0 });
  });

  test('does not verify under another key', () => {
    const file = join(folder, 'other.json');
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(file, JSON.stringify(publicKey.export({ format: 'jwk' })));
    const { status, output } = check(lines, '--key', file);
    expect(output).toContain('checkpoint_invalid');
    expect(status).toBe(1);
  });

  test.for([
    [
      'an event changed',
      (all: Line[]) => mutateSegment(all, (segment) => Object.assign(segment.events[0] ?? {}, { action: 'something.else' })),
      'hash_mismatch',
    ],
    ['a segment left out', (all: Line[]) => all.filter((line) => line !== lastSegment(all)), 'tail_missing'],
    ['a lane left out', (all: Line[]) => all.filter((line) => !('lane' in line) || line.lane !== laneOf(all)), 'lane_missing'],
    ['a checkpoint left out', (all: Line[]) => all.filter(({ type }) => type !== 'checkpoint'), 'UNSIGNED'],
    [
      'a checkpoint changed',
      (all: Line[]) => all.map((line) => (line.type === 'checkpoint' ? { ...line, jws: flipped(line.jws) } : line)),
      'checkpoint_invalid',
    ],
    ['its end cut off', (all: Line[]) => all.slice(0, -1), 'CUT OFF'],
  ] as const)('does not verify with %s', ([, change, said]) => {
    const { status, output } = check(change(structuredClone(lines)));
    expect(output).toContain(said);
    expect(status).toBe(1);
  });

  test('that is none is said to be none', () => {
    const file = join(folder, 'none.ndjson');
    writeFileSync(file, 'nothing\n');
    expect(spawnSync(process.execPath, [script, file], { encoding: 'utf8' })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('line 1'),
    });
    expect(spawnSync(process.execPath, [script, join(folder, 'missing')], { encoding: 'utf8' }).status).toBe(2);
    expect(spawnSync(process.execPath, [script], { encoding: 'utf8' }).status).toBe(2);
  });
});

function laneOf(all: readonly Line[]): string {
  const line = all.find((each) => each.type === 'segment' && each.lane !== 'control');
  return line && 'lane' in line ? line.lane : '';
}

function lastSegment(all: readonly Line[]): Line | undefined {
  return all.findLast((line) => line.type === 'segment' && line.lane === laneOf(all));
}

function mutateSegment(all: Line[], change: (segment: { events: object[] }) => void): Line[] {
  const line = lastSegment(all);
  if (line?.type === 'segment') change(line.segment as { events: object[] });
  return all;
}

function flipped(jws: string): string {
  const at = jws.length - 20;
  return jws.slice(0, at) + (jws[at] === 'a' ? 'b' : 'a') + jws.slice(at + 1);
}

describe('archived days', () => {
  test('are read by the list, the verification and the export as before', async () => {
    const before = await settledTrail(owner, tenant.id);
    const stored = new Stored(local, tenant.id);
    const count = (await stored.segments()).length;
    expect(await archiveAll(local, tenant.id)).not.toHaveLength(0);
    expect((await stored.segments()).length).toBeLessThan(count);
    stored.dispose();

    const after = await settledTrail(owner, tenant.id);
    const ids = new Set(after.map(({ id }) => id));
    expect(before.filter(({ id }) => !ids.has(id))).toEqual([]);
    expect(after.map(({ at }) => at)).toEqual(
      after
        .map(({ at }) => at)
        .toSorted()
        .reverse(),
    );
    const paged = await trailOf(owner, tenant.id, '', 3);
    expect(new Set(paged.map(({ id }) => id)).size).toBe(paged.length);
    expect(before.filter(({ id }) => !paged.some((event) => event.id === id))).toEqual([]);
    expect(await trailOf(owner, tenant.id, '&action=test.happened')).toHaveLength(3);
    expect(await trailOf(owner, tenant.id, '&to=2000-01-01T00:00:00Z')).toEqual([]);

    const verdict = await verify(owner, tenant.id);
    expect(verdict).toMatchObject({ ok: true, firstBroken: null });
    expect(verdict.events).toBeGreaterThanOrEqual(before.length);
    await owner.post('/api/messages', { to: 'one', from: 'one', messageType: 'x', payload: 'after' });
    const exported = (await exportOf(owner, tenant.id))
      .trimEnd()
      .split('\n')
      .map((line) => Line.parse(JSON.parse(line)));
    expect(check(exported)).toMatchObject({ status: 0 });
  });
});
