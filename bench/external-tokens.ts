// What a token of a tenant's own issuer costs, in this process and warm: seen for the first time beside the bare signature check of the same tokens,
// and seen again beside the hash it is remembered by. The key set is known.
import { hash } from 'node:crypto';
import { compactVerify } from 'jose';
import { theServices } from '../shared/compose.ts';
import { newTenant } from '../test/flowgrid.ts';
import { KeyServer, makeKey, sign } from '../test/shared/identity/key-server.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const tokensMade = 4_000;
const repeats = 50_000;

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ local, settings }) => {
    await using stack = new AsyncDisposableStack();
    const server = stack.adopt(await new KeyServer().start(), (each) => each.stop());
    const { id, owner } = await newTenant(local);
    const key = makeKey('bench');
    server.keys = [key.jwk];
    await owner.ask('PUT', `/tenants/${id}/issuers/bench`, { issuer: server.issuer, roleMap: { '*': 'viewer' } });
    Object.assign(process.env, settings);
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    const claims = {
      iss: server.issuer,
      aud: `${local.api}/t/${id}`,
      exp,
      iat: exp - 3_600,
      name: 'Ada',
      email: 'ada@example.com',
    };
    const tokens = await Promise.all(Array.from({ length: tokensMade }, (_, at) => sign(key, { ...claims, sub: `ada-${at}` })));
    const { authenticator, store, close } = theServices();
    const check = async (credential: string) => {
      await store.fresh();
      if (!(await authenticator.identify({ credential, method: 'GET' }))) throw new Error('the token was refused');
    };
    const bare = (credential: string) => compactVerify(credential, key.publicKey, { algorithms: ['ES256'] });
    const [half = [], rest = []] = [tokens.slice(0, tokensMade / 2), tokens.slice(tokensMade / 2)];
    await medians(half, check, bare);
    const [first, floor] = await medians(rest, check, bare);
    const again = Array.from({ length: repeats }, (_, at) => rest[at % 100] ?? '');
    const [repeated, hashed] = await medians(again, check, async (credential) => hash('sha256', credential, 'base64'));
    await close();
    return [
      { name: 'external-token/first', value: first, unit: 'µs (p50)', floor, ratio: first / floor, goal: 1.3, holds: first / floor <= 1.3 },
      {
        name: 'external-token/again',
        value: repeated,
        unit: 'µs (p50)',
        floor: hashed,
        ratio: repeated / hashed,
        goal: 15,
        holds: repeated <= 15,
      },
    ];
  });
}

/** Of both, in microseconds, measured in turns: what else the machine does then strikes them alike. */
async function medians(
  credentials: readonly string[],
  work: (credential: string) => Promise<unknown>,
  floor: (credential: string) => Promise<unknown>,
): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (const credential of credentials) {
    for (const [at, each] of [floor, work].entries()) {
      const start = performance.now();
      await each(credential);
      times[at]?.push((performance.now() - start) * 1_000);
    }
  }
  const [bare, ours] = times.map((all) => Math.round((all.sort((a, b) => a - b)[all.length >> 1] ?? Number.NaN) * 10) / 10);
  return [ours ?? Number.NaN, bare ?? Number.NaN];
}
