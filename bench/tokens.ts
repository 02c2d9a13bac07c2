// What checking a token of ours costs: one never seen before, beside the bare verification of its signature; and one seen before, beside the hash that
// it is known by. In this process, with the twin's documents remembered.
import { hash, verify } from 'node:crypto';
import { decodeProtectedHeader } from 'jose';
import { compose } from '../shared/compose.ts';
import { parseConfig } from '../shared/config/config.ts';
import { OwnTokenCheck } from '../shared/identity/own-tokens.ts';
import { newTenant } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const [issued, rounds, repeats, goalRatio, goalUs] = [200, 80, 20_000, 1.3, 15];

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ local, settings }) => {
    const tenant = await newTenant(local);
    const texts = await Promise.all(Array.from({ length: issued }, () => tokenOf(local.api, tenant.key)));
    const services = compose(parseConfig(settings));
    const { config, store, tokenKeys, authFailures } = services;
    const newCheck = () => new OwnTokenCheck(config, store, tokenKeys, authFailures);
    const signed = texts.map((text) => {
      const end = text.lastIndexOf('.');
      return { text, input: Buffer.from(text.slice(0, end)), signature: Buffer.from(text.slice(end + 1), 'base64url') };
    });

    const [first] = signed;
    const key = first && (await tokenKeys.find(String(decodeProtectedHeader(first.text).kid)));
    if (!key) throw new Error('there is no key');
    const publicKey = { key, dsaEncoding: 'ieee-p1363' } as const;

    const [checked, bare]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      // One that has seen no token yet.
      const check = newCheck();
      for (const { text, input, signature } of signed) {
        checked.push(await timed(() => identify(check, text)));
        bare.push(await timed(() => verify('sha256', input, publicKey, signature) || fail()));
      }
    }
    // The first half warms up.
    const [value, floor] = [median(checked.slice(checked.length >> 1)), median(bare.slice(bare.length >> 1))];
    const ratio = value / floor;

    const check = newCheck();
    const [known, hashed]: [number[], number[]] = [[], []];
    for (let count = 0; count < repeats; count++) {
      known.push(await timed(() => identify(check, first.text)));
      hashed.push(await timed(() => hash('sha256', first.text, 'base64')));
    }
    await services.close();
    const [repeated, hashing] = [median(known), median(hashed)];
    return [
      { name: 'tokens/checked', value, unit: 'µs', floor, ratio, goal: goalRatio, holds: ratio <= goalRatio },
      {
        name: 'tokens/repeated',
        value: repeated,
        unit: 'µs',
        floor: hashing,
        ratio: repeated / hashing,
        goal: goalUs,
        holds: repeated <= goalUs,
      },
    ];
  });
}

async function tokenOf(api: string, key: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_secret: key });
  const answer = await fetch(`${api}/api/auth/token`, { method: 'POST', body });
  if (!answer.ok) throw new Error(`no token: ${answer.status}`);
  // api.md says so.
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function identify(check: OwnTokenCheck, credential: string): Promise<void> {
  if (!(await check.identify({ credential, method: 'GET' }))) fail();
}

function fail(): never {
  throw new Error('a token was refused');
}

/** Microseconds. */
async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) * 1_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
