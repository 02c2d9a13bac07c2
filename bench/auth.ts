// What it costs to know who calls, warm and in this process: the check of an API key, beside the hash and the compare that no check can do without.
import { createHash, timingSafeEqual } from 'node:crypto';
import { compose, type Services } from '../shared/compose.ts';
import { parseConfig } from '../shared/config/config.ts';
import { newTenant } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const [rounds, callsARound] = [41, 2_000];

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ local, settings }) => {
    const { key } = await newTenant(local);
    const services = compose(parseConfig(settings));
    const figures = [await apiKey(services, key)];
    await services.close();
    return figures;
  });
}

/** The whole chain as a call goes along it, the epoch's age included. */
async function apiKey({ authenticator, store }: Services, key: string): Promise<Figure> {
  const presented = { credential: key, method: 'GET', ip: '192.0.2.1' };
  const kept = createHash('sha256').update(key).digest();
  const check = async () => {
    await store.fresh();
    const finding = await authenticator.identify(presented);
    if (!finding || !('kind' in finding)) throw new Error('the key was refused');
  };
  const bare = async () => {
    if (!timingSafeEqual(createHash('sha256').update(key).digest(), kept)) throw new Error('the hash differs');
  };
  const [value, floor] = await medians(check, bare);
  return { name: 'auth/api-key', value, unit: 'µs', floor, ratio: value / floor, goal: 10, holds: value <= 10 };
}

/** Microseconds a call of each, the rounds of the one between those of the other. */
async function medians(work: () => Promise<void>, floor: () => Promise<void>): Promise<[work: number, floor: number]> {
  const times: Record<'work' | 'floor', number[]> = { work: [], floor: [] };
  for (let round = 0; round < rounds; round++) {
    times.floor.push(await roundOf(floor));
    times.work.push(await roundOf(work));
  }
  // Half of the rounds warm up.
  const median = (all: number[]) => Math.round((all.slice(rounds >> 1).sort((a, b) => a - b)[rounds >> 2] ?? Number.NaN) * 100) / 100;
  return [median(times.work), median(times.floor)];
}

async function roundOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  for (let count = 0; count < callsARound; count++) await work();
  return ((performance.now() - start) * 1_000) / callsARound;
}
