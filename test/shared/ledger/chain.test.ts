// The chain: whatever was linked verifies, in any cut into segments; any single change to it is found.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emptyHead, type Head, hashOf, link, type Sealed, seal } from '../../../shared/ledger/chain.ts';
import type { Cause, Segment } from '../../../shared/ledger/event.ts';
import { ChainCheck } from '../../../shared/ledger/verify-chain.ts';
import { canonical } from '../../../shared/messaging/canonical.ts';

const cause: Cause = { actor: { type: 'system', id: 'test', method: 'internal' }, requestId: 'r' };
const lane = 'p-test-1';

/** Segments of these sizes. */
function laneOf(sizes: readonly number[]): { segments: Segment[]; head: Head } {
  let head = emptyHead;
  const segments: Segment[] = [];
  for (const size of sizes) {
    const sealed: Sealed[] = [];
    for (let at = head; sealed.length < size; ) {
      const next = seal('acme', lane, at, cause, { action: 'a.b', entity: { type: 't', id: `${sealed.length}` }, new: { n: at.seq } });
      sealed.push(next);
      at = { seq: next.event.seq, hash: '', at: next.event.at };
    }
    const linked = link(head, sealed);
    segments.push(linked.segment);
    head = linked.head;
  }
  return { segments, head };
}

function check(segments: readonly Segment[], head: Head) {
  const chain = new ChainCheck('acme');
  chain.expect(lane, head, 'head');
  for (const segment of segments) chain.take(lane, segment);
  chain.endLane(lane, head);
  chain.end();
  return chain;
}

const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });

describe('a chain', () => {
  it('hashes the canonical form of its events and the hash before', () => {
    const { segments } = laneOf([2]);
    const [{ events = [], prev = '', hash = '' } = {}] = segments;
    expect(hash).toBe(
      hashOf(
        prev,
        events.map((event) => canonical(event)),
      ),
    );
  });

  it('verifies as it was made, event for event', () => {
    fc.assert(
      fc.property(sizes, (each) => {
        const { segments, head } = laneOf(each);
        const chain = check(segments, head);
        expect(chain.broken).toBeUndefined();
        expect(chain.events).toBe(each.reduce((sum, size) => sum + size, 0));
      }),
    );
  });

  it('does not verify after any single change to any member of any segment or event', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (each, where, which) => {
        const { segments, head } = laneOf(each);
        const changed = structuredClone(segments);
        const leaves = leavesOf(changed);
        const leaf = leaves[(where * 7919 + which) % leaves.length];
        leaf?.change();
        expect(check(changed, head).broken, leaf?.path).toBeDefined();
      }),
      { numRuns: 500 },
    );
  });

  it('does not verify with a segment left out, doubled or moved', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 6 }), fc.nat(), (each, pick) => {
        const { segments, head } = laneOf(each);
        const at = pick % segments.length;
        const chosen = segments[at];
        if (!chosen) throw new Error('there is one');
        const without = segments.filter((_, index) => index !== at);
        expect(check(without, head).broken).toBeDefined();
        expect(check(segments.toSpliced(at, 0, chosen), head).broken).toBeDefined();
        expect(check([...without, chosen], head).broken === undefined).toBe(at === segments.length - 1);
      }),
    );
  });

  it('goes on from where another check stopped', () => {
    const { segments, head } = laneOf([2, 3, 1]);
    const first = new ChainCheck('acme');
    for (const segment of segments.slice(0, 2)) first.take(lane, segment);
    const second = new ChainCheck('acme', JSON.parse(JSON.stringify(first.state)));
    second.expect(lane, head, 'head');
    for (const segment of segments.slice(2)) second.take(lane, segment);
    second.endLane(lane, head);
    expect([second.broken, second.events]).toEqual([undefined, 6]);
  });
});

describe('an event', () => {
  it('is never later than the one behind it', () => {
    const head = { seq: 1, hash: '', at: '2999-01-01T00:00:00.000Z' };
    expect(seal('acme', lane, head, cause, { action: 'a.b', entity: { type: 't', id: 'i' } }).event.at).toBe(head.at);
  });

  it('leaves out what no segment could hold', () => {
    const large = { text: 'é'.repeat(100_000) };
    const { event, bytes } = seal('acme', lane, emptyHead, cause, {
      action: 'a.b',
      entity: { type: 't', id: 'i' },
      old: large,
      new: large,
    });
    expect(event).toMatchObject({ old: { omitted: 'too large' }, new: { omitted: 'too large' } });
    expect(bytes).toBeLessThan(1_000);
  });
});

/** Every text and number in a value, and a way to change it. */
function leavesOf(value: object, path = ''): { path: string; change(): void }[] {
  return Object.entries(value).flatMap(([name, member]) => {
    if (typeof member === 'object' && member !== null) return leavesOf(member, `${path}/${name}`);
    const change = () => Object.assign(value, { [name]: typeof member === 'number' ? member + 1 : `${member}x` });
    return [{ path: `${path}/${name}`, change }];
  });
}
