// The law of rotation: whatever any instance signs, every instance can verify for as long as the message is young enough.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maxAgeMs } from '../../../shared/messaging/envelope.ts';
import { changeover } from '../../../shared/messaging/key-rotation.ts';
import { signingOf, verifiesAt } from '../../../shared/messaging/signing-keys.ts';

/** Others hear of a change this much later at most (architecture 4), and their clocks differ by as much. */
const hearsWithinMs = 2_000;
const clocksDifferByMs = 400;
const start = Date.parse('2026-01-01T00:00:00Z');

interface Rotation {
  /** Since the time at which it could begin. */
  readonly after: number;
  readonly overlapSeconds: number;
}

/** The keys as somebody sees them whose knowledge is of this instant. */
function keysAt(rotations: readonly Rotation[], instant: number) {
  const keys: { name: string; etag: string; body: { version: string; createdAt: string; signsFrom?: string; verifiesUntil?: string } }[] =
    [];
  const add = (signsFrom?: number) =>
    keys.push({
      name: `k${keys.length + 1}`,
      etag: '',
      body: { version: 'v', createdAt: iso(start), ...(signsFrom !== undefined && { signsFrom: iso(signsFrom) }) },
    });
  add();
  let free = start;
  for (const { after, overlapSeconds } of rotations) {
    const at = free + after;
    if (at > instant) break;
    const { signsFrom, verifiesUntil } = changeover(at, overlapSeconds);
    const last = keys.at(-1);
    if (last) last.body.verifiesUntil = iso(verifiesUntil);
    add(signsFrom);
    // One at a time.
    free = verifiesUntil + 1;
  }
  return { keys, free };
}

const iso = (ms: number) => new Date(ms).toISOString();
const rotations = fc.array(
  fc.record({ after: fc.nat(200_000_000), overlapSeconds: fc.oneof(fc.constantFrom(0, 1, 2, 3, 86_400), fc.nat(86_400)) }),
  { minLength: 1, maxLength: 4 },
);
const lag = fc.nat(hearsWithinMs);
const offset = fc.integer({ min: -clocksDifferByMs, max: clocksDifferByMs });

test('what one signs, another verifies, at once and a day later', () => {
  fc.assert(
    fc.property(rotations, fc.nat(3), fc.integer({ min: -5_000, max: 5_000 }), fc.nat(maxAgeMs), lag, lag, offset, offset, (...drawn) => {
      const [all, which, near, age, signerLag, verifierLag, signerOffset, verifierOffset] = drawn;
      const { keys } = keysAt(all, Number.POSITIVE_INFINITY);
      // Close to one of the instants at which something changes.
      const edges = keys.flatMap(({ body }) => [body.signsFrom, body.verifiesUntil]).filter((edge) => edge !== undefined);
      const signedAt = Date.parse(edges[which % edges.length] ?? '') + near;
      const signing = signingOf(keysAt(all, signedAt - signerLag).keys, signedAt + signerOffset);
      expect(signing).toBeDefined();
      for (const receivedAt of [signedAt, signedAt + age]) {
        const known = keysAt(all, receivedAt - verifierLag).keys.filter(verifiesAt(receivedAt + verifierOffset));
        expect(known.map(({ name }) => name)).toContain(signing?.name);
        // Two by the clock they were made by; one that is behind believes the oldest for that much longer.
        expect(
          keys.filter(({ body }) => Date.parse(body.signsFrom ?? iso(start)) <= receivedAt).filter(verifiesAt(receivedAt)).length,
        ).toBeLessThanOrEqual(2);
      }
    }),
    { numRuns: 2_000 },
  );
});
