// Verification: a ledger that nobody touched is sound, whatever is written meanwhile, and whatever is changed behind FlowGrid's back is found and named.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { hashOf } from '../../../shared/ledger/chain.ts';
import { canonical } from '../../../shared/messaging/canonical.ts';
import { cardOf, newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { appendAsAnother, Stored, type StoredSegment, verify } from './ledger.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

let tenant: TestTenant;
let owner: Asker;
let stored: Stored;

/** A change and an event without one. */
async function act(asker: Asker, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    await asker.post('/api/registry/agents/one/register', { card: cardOf('one') });
    await asker.post('/api/messages', { to: 'one', from: 'one', messageType: 'x', payload: at });
  }
}

beforeEach(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  stored = new Stored(local, tenant.id);
  await act(owner, 3);
});
afterEach(() => stored.dispose());

describe('a ledger that nobody touched', () => {
  test('is sound, and says what was looked at', async () => {
    await act(owner.at(there), 2);
    const verdict = await verify(owner, tenant.id);
    expect(verdict).toMatchObject({ status: 'done', ok: true, firstBroken: null });
    // The control lane and one of each host.
    expect(verdict.lanes).toBeGreaterThanOrEqual(3);
    expect(verdict.events).toBeGreaterThanOrEqual(10);
    // A second one starts from a checkpoint.
    expect(await verify(owner.at(there), tenant.id)).toMatchObject({ status: 'done', ok: true });
  });

  test('is sound while both hosts write', async () => {
    let writing = true;
    const writers = [owner, owner.at(there)].map(async (asker) => {
      while (writing) await act(asker, 1);
    });
    for (let round = 0; round < 4; round++) expect(await verify(owner, tenant.id)).toMatchObject({ ok: true, firstBroken: null });
    writing = false;
    await Promise.all(writers);
  });
});

describe('jobs', () => {
  test('of a kind run one at a time', async () => {
    const jobs = await Promise.all([1, 2, 3].map(() => owner.post<{ jobId: string }>(`/tenants/${tenant.id}/audit/verify`)));
    expect(new Set(jobs.map(({ jobId }) => jobId)).size).toBeLessThan(3);
  });

  test('of another kind, tenant or time are not found', async () => {
    const { jobId } = await owner.post<{ jobId: string }>(`/tenants/${tenant.id}/audit/verify`);
    const other = await newTenant(local);
    const asks: [Asker, string][] = [
      [owner, `/tenants/${tenant.id}/audit/export?jobId=${jobId}`],
      [owner, `/tenants/${tenant.id}/audit/verify?jobId=${randomUUID()}`],
      [new Asker(here, other.key), `/tenants/${other.id}/audit/verify?jobId=${jobId}`],
    ];
    for (const [asker, path] of asks) problemOf(await asker.ask('GET', path), 404, 'not_found');
    problemOf(await owner.ask('GET', `/tenants/${tenant.id}/audit/verify?jobId=1`), 400, 'validation_failed');
    problemOf(await owner.ask('GET', `/tenants/${tenant.id}/audit/export`), 400, 'validation_failed');
  });
});

/** Changes one letter of a text inside an event. */
function flip(segment: StoredSegment, at: number): StoredSegment {
  const copy = structuredClone(segment);
  const event = copy.body.events[at];
  if (!event) throw new Error('no such event');
  event.requestId = (event.requestId[0] === 'a' ? 'b' : 'a') + event.requestId.slice(1);
  return copy;
}

/** A segment with another content and the hashes that would make it fit. */
function rewrite(segments: readonly StoredSegment[]): StoredSegment[] {
  let prev = segments[0]?.body.prev ?? '';
  return segments.map((segment, at) => {
    const copy = at === 0 ? flip(segment, 0) : structuredClone(segment);
    copy.body.prev = prev;
    copy.body.hash = hashOf(
      prev,
      copy.body.events.map((event) => canonical(event)),
    );
    prev = copy.body.hash;
    return copy;
  });
}

describe('is found and named', () => {
  const broken = async (): Promise<unknown> => {
    const { ok, status, firstBroken } = await verify(owner, tenant.id);
    expect([status, ok]).toEqual(['done', false]);
    return firstBroken;
  };

  test('one byte of a stored event', async () => {
    const lane = await stored.longestLane();
    const victim = lane[1];
    if (!victim) throw new Error('the lane has two segments');
    await stored.replace(flip(victim, 0));
    expect(await broken()).toEqual({ lane: victim.lane, seq: victim.body.first, reason: 'hash_mismatch' });
    // And it stands in the trail.
    const { items } = await owner.get<{ items: { code: string }[] }>(`/tenants/${tenant.id}/audit?action=ledger.verification_failed`);
    expect(items.map(({ code }) => code)).toContain('hash_mismatch');
  });

  test('one byte of an event in the control lane', async () => {
    const victim = (await stored.segments()).find(({ lane }) => lane === 'control');
    if (!victim) throw new Error('there is a control lane');
    await stored.replace(flip(victim, 0));
    expect(await broken()).toEqual({ lane: 'control', seq: victim.body.first, reason: 'hash_mismatch' });
  });

  test("a lane's tail cut off", async () => {
    const lane = await laneAtRest();
    const last = lane.at(-1);
    if (!last) throw new Error('the lane has segments');
    await stored.removeSegment(last);
    expect(await broken()).toEqual({ lane: last.lane, seq: last.body.first, reason: 'tail_missing' });
  });

  test('a segment taken out of the middle', async () => {
    const [, second] = await stored.longestLane();
    if (!second) throw new Error('the lane has two segments');
    await stored.removeSegment(second);
    expect(await broken()).toEqual({ lane: second.lane, seq: second.body.first, reason: 'gap' });
  });

  test('a whole lane dropped: segments, head and registration', async () => {
    const lane = await laneAtRest();
    const name = lane[0]?.lane ?? '';
    for (const segment of lane) await stored.removeSegment(segment);
    await stored.removeSegment({ id: 'head:head', lane: name });
    await stored.control.item(`ledger-lane:${name}`, tenant.id).delete();
    expect(await broken()).toEqual({ lane: name, seq: 1, reason: 'lane_missing' });
  });

  test('an old head put back', async () => {
    const [first] = await laneAtRest();
    if (!first) throw new Error('the lane has segments');
    const head = await stored.head(first.lane);
    await stored.replace({ ...head, body: { seq: first.body.events.at(-1)?.seq ?? 0, hash: first.body.hash } });
    expect(await broken()).toMatchObject({ lane: first.lane, reason: 'head_replayed' });
  });

  test('a tail cut off together with an old head, once a checkpoint has seen it', async () => {
    const lane = await laneAtRest();
    expect(await verify(owner, tenant.id)).toMatchObject({ ok: true });
    const [first, ...rest] = lane;
    if (!first) throw new Error('the lane has segments');
    for (const segment of rest) await stored.removeSegment(segment);
    const head = await stored.head(first.lane);
    const seq = first.body.events.at(-1)?.seq ?? 0;
    await stored.replace({ ...head, body: { seq, hash: first.body.hash } });
    expect(await broken()).toEqual({ lane: first.lane, seq: seq + 1, reason: 'head_replayed' });
  });

  test('a rewritten lane whose every hash fits, once a checkpoint has seen it', async () => {
    const lane = await laneAtRest();
    expect(await verify(owner, tenant.id)).toMatchObject({ ok: true });
    const forged = rewrite(lane);
    for (const segment of forged) await stored.replace(segment);
    const last = forged.at(-1);
    if (!last) throw new Error('the lane has segments');
    const head = await stored.head(last.lane);
    await stored.replace({ ...head, body: { ...head.body, hash: last.body.hash } });
    expect(await broken()).toEqual({ lane: last.lane, seq: head.body.seq, reason: 'checkpoint_mismatch' });
  });

  test('a lane that nobody opened', async () => {
    const lane = await stored.longestLane();
    for (const segment of rewrite(lane)) {
      const foreign = { ...segment, lane: 'p-foreign-1', tenantId: tenant.id };
      await stored.ledger.items.create(foreign);
    }
    expect(await broken()).toEqual({ lane: 'p-foreign-1', seq: 1, reason: 'lane_unregistered' });
  });

  test('a segment that is none', async () => {
    const [first] = await stored.longestLane();
    if (!first) throw new Error('the lane has segments');
    await stored.replace({ ...first, body: { ...first.body, events: [] } } as StoredSegment);
    expect(await broken()).toEqual({ lane: first.lane, seq: 1, reason: 'segment_invalid' });
  });

  /** A lane of a process that writes no more. */
  async function laneAtRest(): Promise<StoredSegment[]> {
    const known = new Set((await stored.segments()).map(({ lane }) => lane));
    await appendAsAnother(local, tenant.id, 3);
    const fresh = (await stored.segments()).filter(({ lane }) => !known.has(lane));
    expect(new Set(fresh.map(({ lane }) => lane)).size).toBe(1);
    return fresh;
  }
});
