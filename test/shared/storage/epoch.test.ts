// What instances remember of a tenant: shared, dropped everywhere when it changes, never trusted blindly, and nobody else's business.
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { randomName } from '../../../shared/clock/clock.ts';
import { parseConfig } from '../../../shared/config/config.ts';
import { DependencyError } from '../../../shared/errors/problem.ts';
import { TenantId } from '../../../shared/scope/ids.ts';
import { TenantScope } from '../../../shared/scope/maker.ts';
import { containers } from '../../../shared/storage/containers.ts';
import { Cosmos } from '../../../shared/storage/cosmos.ts';
import { put, type RememberedKind, remove } from '../../../shared/storage/documents.ts';
import { Epoch } from '../../../shared/storage/epoch.ts';
import { TenantStore } from '../../../shared/storage/tenant-store.ts';
import { startTarget, type Target } from '../../conformance/cosmos/target.ts';
import { until } from '../../flowgrid.ts';
import { exampleValues } from '../config/settings.ts';

const Notes: RememberedKind<{ text: string }> = {
  container: 'control',
  type: 'note',
  schema: z.strictObject({ text: z.string() }),
  remembered: true,
};

let target: Target;

beforeAll(async () => {
  target = await startTarget();
  for (const { id, partitionKey } of [containers.control, containers.platform])
    await target.database.containers.create({ id, partitionKey: { paths: [...partitionKey] } });
});
afterEach(() => target.faults.set([]));
afterAll(() => target.stop());

/** A process of its own, as far as memory goes. */
function instance(): TenantStore {
  const config = parseConfig({
    ...exampleValues,
    FLOWGRID_COSMOS_ENDPOINT: target.endpoint,
    FLOWGRID_INSECURE_COSMOS_KEY: target.key,
    FLOWGRID_COSMOS_DATABASE: target.database.id,
  });
  const cosmos = new Cosmos(config);
  return new TenantStore(cosmos, new Epoch(cosmos));
}

function tenant(): TenantScope {
  return new TenantScope(TenantId.parse(`t-${randomName(8)}`), 'identity');
}

const write = (store: TenantStore, scope: TenantScope, text: string) => store.of(scope).commit([put(Notes, 'n', { text })]);
const textAt = async (store: TenantStore, scope: TenantScope) => (await store.remembered(scope, Notes, 'n'))?.text;

/** Reads of documents that Cosmos sees while `work` runs. */
async function readsDuring(kind: string, work: () => Promise<unknown>): Promise<number> {
  let reads = 0;
  const strike = target.faults.strike.bind(target.faults);
  target.faults.strike = (service, operation, effects) => {
    if (new RegExp(`^GET .*${kind}`).test(decodeURIComponent(operation)) && effects?.includes('staleRead')) reads += 1;
    return strike(service, operation, effects);
  };
  try {
    await work();
  } finally {
    target.faults.strike = strike;
  }
  return reads;
}

test('a hundred readers at once cost one read, and later ones none', async () => {
  const [store, scope] = [instance(), tenant()];
  await write(store, scope, 'one');
  const reads = await readsDuring('note:n', async () => {
    const texts = await Promise.all(Array.from({ length: 100 }, () => textAt(store, scope)));
    expect(new Set(texts)).toEqual(new Set(['one']));
    expect(await textAt(store, scope)).toBe('one');
  });
  expect(reads).toBe(1);
});

test('a change shows at once where it was made, and within two seconds elsewhere', async () => {
  const [here, there, scope] = [instance(), instance(), tenant()];
  await write(here, scope, 'old');
  expect(await textAt(there, scope)).toBe('old');
  await write(here, scope, 'new');
  expect(await textAt(here, scope)).toBe('new');
  await until('the other instance sees it', async () => (await textAt(there, scope)) === 'new', 2_000);
  await here.of(scope).commit([remove(Notes, 'n')]);
  expect(await textAt(here, scope)).toBeUndefined();
  await until('the other instance sees it gone', async () => (await textAt(there, scope)) === undefined, 2_000);
  await write(here, scope, 'again');
  await until('the other instance sees what it knew was not there', async () => (await textAt(there, scope)) === 'again', 2_000);
});

test("one tenant's changes leave what is remembered of another alone", async () => {
  const [here, there, noisy, quiet] = [instance(), instance(), tenant(), tenant()];
  await write(here, quiet, 'still');
  expect(await textAt(there, quiet)).toBe('still');
  const reads = await readsDuring('note:n', async () => {
    for (let count = 0; count < 30; count++) await write(here, noisy, String(count));
    await until('the noise is heard', async () => (await textAt(there, noisy)) === '29', 2_500);
    const before = there.generation(quiet.tenantId);
    expect(await textAt(there, quiet)).toBe('still');
    expect(there.generation(quiet.tenantId)).toBe(before);
  });
  expect(reads).toBeLessThan(30);
});

test('an instance that missed more changes than are kept forgets everybody', async () => {
  const [here, there, scope] = [instance(), instance(), tenant()];
  await write(here, scope, 'old');
  expect(await textAt(there, scope)).toBe('old');
  await write(here, scope, 'new');
  await Promise.all(Array.from({ length: 520 }, () => write(here, tenant(), 'x')));
  await until('it shows', async () => (await textAt(there, scope)) === 'new', 2_500);
});

test('of many instances that tell at once none is lost', async () => {
  const scopes = Array.from({ length: 8 }, tenant);
  const stores = Array.from({ length: 8 }, instance);
  const reader = instance();
  await Promise.all(scopes.map((scope, at) => write(stores[at] as TenantStore, scope, 'old')));
  for (const scope of scopes) expect(await textAt(reader, scope)).toBe('old');
  await Promise.all(scopes.map((scope, at) => write(stores[at] as TenantStore, scope, 'new')));
  for (const scope of scopes) await until('it shows', async () => (await textAt(reader, scope)) === 'new', 2_500);
});

test('what cannot be checked is not trusted', async () => {
  const [store, scope] = [instance(), tenant()];
  await write(store, scope, 'known');
  expect(await textAt(store, scope)).toBe('known');
  target.faults.set([{ service: 'cosmos', match: '^GET .*epoch', rate: 1, effect: '500' }]);
  await wait(1_900);
  await expect(textAt(store, scope)).rejects.toThrow(DependencyError);
  target.faults.set([]);
  expect(await textAt(store, scope)).toBe('known');
});

test('a change that could not be told is told later', async () => {
  const [here, there, scope] = [instance(), instance(), tenant()];
  await write(here, scope, 'old');
  expect(await textAt(there, scope)).toBe('old');
  target.faults.set([{ service: 'cosmos', match: '^(PUT|POST) .*(epoch|platform)', rate: 1, effect: '500' }]);
  await expect(write(here, scope, 'new')).rejects.toThrow(DependencyError);
  expect(await textAt(here, scope)).toBe('new');
  target.faults.set([]);
  await until(
    'it shows',
    async () => {
      await textAt(here, scope);
      return (await textAt(there, scope)) === 'new';
    },
    5_000,
  );
});
