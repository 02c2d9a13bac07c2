// Which version of the key signs and which may go: over any history, a token can be checked by whoever was told its key in time.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retiredVersions, signingVersion } from '../../../shared/identity/token-keys.ts';

const minute = 60_000;
const versions = fc
  .uniqueArray(fc.nat(200), { minLength: 1, maxLength: 8 })
  .map((ages) => ages.map((age) => ({ version: `v${age}`, createdAt: -age * minute })));

describe('the version that signs', () => {
  it('is the newest of those made a quarter of an hour ago; without such, the oldest', () => {
    const made = [0, 10, 20, 30].map((age) => ({ version: `v${age}`, createdAt: -age * minute }));
    expect(signingVersion(made, 0)?.version).toBe('v20');
    expect(signingVersion(made, 5 * minute)?.version).toBe('v10');
    expect(signingVersion(made.slice(0, 2), 0)?.version).toBe('v10');
    expect(signingVersion(made.slice(0, 1), 0)?.version).toBe('v0');
    expect(signingVersion([], 0)).toBeUndefined();
  });

  it('never goes back to an older one as time goes by', () => {
    fc.assert(
      fc.property(versions, fc.nat(120), (made, later) => {
        const first = signingVersion(made, 0);
        const next = signingVersion(made, later * minute);
        expect(next?.createdAt).toBeGreaterThanOrEqual(first?.createdAt ?? 0);
      }),
    );
  });
});

describe('a version that may go', () => {
  it('has signed no token that is still in force, on any host that is five minutes behind; and one stays', () => {
    fc.assert(
      fc.property(versions, (made) => {
        const gone = new Set(retiredVersions(made, 0).map(({ version }) => version));
        expect(gone.size).toBeLessThan(made.length);
        for (let ago = 0; ago <= 20; ago++) {
          const then = -ago * minute;
          const known = made.filter(({ createdAt }) => createdAt <= then - 5 * minute);
          const signer = signingVersion(known, then);
          if (signer) expect(gone.has(signer.version)).toBe(false);
        }
      }),
    );
  });
});
