// Whoever guesses at keys is slowed by where they come from, and slows nobody else: the holder of the right key passes, at both hosts, from any address.
import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { randomName } from '../../shared/clock/clock.ts';
import { makeKey } from '../../shared/identity/key-text.ts';
import { newTenant, type TestTenant, until } from '../flowgrid.ts';
import { Asker, codeOf } from '../functions/asker.ts';
import { settledTrail, trailOf } from '../functions/trail.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const atOnce = 16;

let tenant: TestTenant;
let key: string;
let keyId: string;
beforeAll(async () => {
  tenant = await newTenant(local);
  const made = await new Asker(here, tenant.key).post<{ key: string; keyId: string }>(`/tenants/${tenant.id}/api-keys`, { name: 'target' });
  ({ key, keyId } = made);
});

/** Addresses of RFC 5737 and RFC 3849, another for each test: counts are a minute old at most. */
const [first, second, third, fourth] = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8:1:2::'];

const wrongSecret = () => {
  const body = `fg_${tenant.id}_${keyId}_${randomName(52)}`;
  return body + crc32(body).toString(16).padStart(8, '0');
};

/** Bare calls: these are many. */
async function statusOf(host: string, credential: string, from?: string): Promise<number> {
  const headers = { 'x-api-key': credential, ...(from !== undefined && { 'x-forwarded-for': `203.0.113.9, ${from}:1234` }) };
  const response = await fetch(`${host}/api/auth/whoami`, { headers });
  await response.arrayBuffer();
  return response.status;
}

async function attack(count: number, host: string, credential: () => string, from: string): Promise<Map<number, number>> {
  const statuses = new Map<number, number>();
  let left = count;
  const attacker = async () => {
    while (left-- > 0) {
      const status = await statusOf(host, credential(), from);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, attacker));
  return statuses;
}

describe('wrong secrets for one key, two thousand of them', () => {
  test('are slowed by source, and never lock out the holder', async () => {
    // The holder is at work: the hosts remember the key.
    for (const host of [here, there]) expect(await statusOf(host, key, second)).toBe(200);
    for (const host of [here, there]) {
      const holder = Promise.all(Array.from({ length: 50 }, () => Promise.all([statusOf(host, key, first), statusOf(host, key, second)])));
      const statuses = await attack(1_000, host, wrongSecret, first);
      expect([...statuses.keys()].sort()).toEqual([401, 429]);
      expect(statuses.get(401)).toBeGreaterThanOrEqual(99);
      expect(statuses.get(401)).toBeLessThan(200);
      expect(new Set((await holder).flat())).toEqual(new Set([200]));
      // From the attacker's own address, from another, and from none that is known.
      for (const from of [first, second, undefined]) expect(await statusOf(host, key, from)).toBe(200);
      const answer = await new Asker(host, wrongSecret()).ask('GET', '/api/auth/whoami', { headers: { 'x-forwarded-for': first } });
      expect([answer.status, codeOf(answer)]).toEqual([429, 'rate_limited']);
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    }
  });

  test('are told to the tenant a few times, not thousands', async () => {
    const owner = new Asker(here, tenant.key);
    const failures = (await settledTrail(owner, tenant.id)).filter(({ action }) => action === 'auth.failed');
    // One a minute of each host.
    expect(failures.length).toBeGreaterThanOrEqual(1);
    expect(failures.length).toBeLessThanOrEqual(4);
    expect(failures[0]).toMatchObject({
      actor: { type: 'unknown', method: 'none' },
      entity: { type: 'key', id: keyId },
      outcome: 'denied',
      code: 'secret_wrong',
      ip: first,
    });
    expect(JSON.stringify(failures)).not.toContain(key.split('_')[3]);
  });
});

describe('keys that nobody has', () => {
  test('are slowed by source too, and cost the holder nothing', async () => {
    expect(await statusOf(here, key, second)).toBe(200);
    const statuses = await attack(400, here, () => makeKey(tenant.id).text, third);
    expect([...statuses.keys()].sort()).toEqual([401, 429]);
    expect(statuses.get(401)).toBeLessThan(100 + 2 * atOnce);
    for (const from of [third, second]) expect(await statusOf(here, key, from)).toBe(200);
    // A key this host has not seen yet waits, from there alone.
    const { key: unseen } = await new Asker(there, tenant.key).post<{ key: string }>(`/tenants/${tenant.id}/api-keys`, { name: 'unseen' });
    expect(await statusOf(here, unseen, third)).toBe(429);
    expect(await statusOf(here, unseen, second)).toBe(200);
    expect(await statusOf(here, unseen, third)).toBe(200);
    // A known key stays known when everything of its tenant is to be read again.
    expect(await statusOf(here, key, third)).toBe(200);
  });

  test('leave no trace with the tenant they name', async () => {
    const events = await settledTrail(new Asker(here, tenant.key), tenant.id);
    expect(events.filter(({ code }) => code === 'key_unknown' || code === 'source_slowed')).toEqual([]);
  });

  test('are counted by /64 where they come over IPv6', async () => {
    let host = 0;
    const statuses = new Set<number>();
    for (let count = 0; count < 130; count++)
      statuses.add(await statusOf(there, makeKey(tenant.id).text, `[${fourth}${(++host).toString(16)}]`));
    expect([...statuses]).toEqual([401, 429]);
  });
});

test('a mistyped key is refused by its checksum and slows nobody', async () => {
  const from = '192.0.2.77';
  const mistyped = `${key.slice(0, -12)}${key.slice(-12) === 'aaaaaaaaaaaa' ? 'b' : 'a'}${key.slice(-11)}`;
  const statuses = await attack(300, here, () => mistyped, from);
  expect([...statuses.keys()]).toEqual([401]);
  const { key: fresh } = await new Asker(there, tenant.key).post<{ key: string }>(`/tenants/${tenant.id}/api-keys`, { name: 'fresh' });
  expect(await statusOf(here, fresh, from)).toBe(200);
});

test('the use of a key that is over is told to its tenant, and why', async () => {
  const own = await newTenant(local);
  const owner = new Asker(here, own.key);
  const keys = `/tenants/${own.id}/api-keys`;
  const make = (order: object) => owner.post<{ key: string; keyId: string }>(keys, { name: 'short', ...order });
  const [revoked, rotated, expired] = await Promise.all([
    make({}),
    make({}),
    make({ expiresAt: new Date(Date.now() + 500).toISOString() }),
  ]);
  await owner.ask('DELETE', `${keys}/${revoked.keyId}`);
  await owner.post(`${keys}/${rotated.keyId}/rotate`);
  const expected = new Map([
    [revoked.keyId, 'key_revoked'],
    [rotated.keyId, 'key_rotated'],
    [expired.keyId, 'key_expired'],
  ]);
  for (const { key: over } of [revoked, rotated, expired]) await until('it is over', async () => (await statusOf(here, over)) === 401);
  for (const { key: over } of [revoked, rotated, expired]) expect(await statusOf(here, over)).toBe(401);
  let told: [string, string | undefined][] = [];
  await until('all are told', async () => {
    told = (await trailOf(owner, own.id, '&action=auth.failed')).map(({ entity, code }) => [entity.id, code]);
    return told.length >= 3;
  });
  expect(new Map(told)).toEqual(expected);
  expect(told).toHaveLength(3);
});
