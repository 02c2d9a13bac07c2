// The JSON Web Signature vectors of Project Wycheproof against our verifier: the strict compact form, then the signature.
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readCompact } from '../../../shared/identity/compact.ts';
import { verifyCompact } from '../../../shared/identity/verify-compact.ts';

interface Jwk extends JsonWebKey {
  readonly alg?: string;
  readonly use?: string;
  readonly key_ops?: readonly string[];
}

interface Group {
  readonly comment: string;
  readonly public?: Jwk;
  readonly private: Jwk;
  readonly tests: readonly { tcId: number; comment: string; jws: string | object; result: 'valid' | 'invalid' }[];
}

const file = new URL('../../vectors/wycheproof/json_web_signature_test.json', import.meta.url);
// Of the shape that the published schema of the file gives.
const { numberOfTests, testGroups } = JSON.parse(readFileSync(file, 'utf8')) as { numberOfTests: number; testGroups: readonly Group[] };

/** Where we differ, and why that is right. */
const exceptions: Readonly<Record<number, string>> = {
  346: 'the key is for PS256, the token says PS384: an algorithm is pinned, not chosen by the token',
  347: 'the key is for ES521, which is no algorithm; the token says ES512',
  350: 'as 346',
  351: 'as 347',
  367: 'the file has the text of a valid token here (373 without its stray character): the defect it names is not there',
  370: 'as 367',
  372: 'a stray character in the header is to be passed over, it says; RFC 7515, 5.2, has no such leniency',
  373: 'the same in the payload',
};

/** As a key set would be read: what is not for signatures is no key, and a key is for one algorithm. */
function keyOf({ use, key_ops: operations, alg, ...jwk }: Jwk): { key: KeyObject; algorithms: string[] } | undefined {
  if ((use ?? 'sig') !== 'sig' || (operations && !operations.includes('verify'))) return undefined;
  const key = jwk.kty === 'oct' ? createSecretKey(Buffer.from(jwk.k ?? '', 'base64url')) : createPublicKey({ key: jwk, format: 'jwk' });
  return { key, algorithms: alg === undefined ? [] : [alg] };
}

async function verdict(group: Group, jws: string | object): Promise<'valid' | 'invalid'> {
  const found = keyOf(group.public ?? group.private);
  const compact = readCompact(typeof jws === 'string' ? jws : JSON.stringify(jws));
  return found && compact && (await verifyCompact(compact, found.key, found.algorithms)) ? 'valid' : 'invalid';
}

test('every vector is judged as it says, but for the exceptions', async () => {
  const differing: string[] = [];
  let judged = 0;
  for (const group of testGroups) {
    for (const { tcId, comment, jws, result } of group.tests) {
      judged += 1;
      if ((await verdict(group, jws)) !== result) differing.push(`${tcId} ${result}: ${group.comment} ${comment}`);
    }
  }
  expect(judged).toBe(numberOfTests);
  expect(differing.filter((line) => !(Number.parseInt(line, 10) in exceptions))).toEqual([]);
  expect(Object.keys(exceptions)).toHaveLength(differing.length);
  expect(differing.length).toBeLessThanOrEqual(12);
});
