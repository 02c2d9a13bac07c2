// The replay store over Cosmos: one sight of a message counts, however many instances see it at once.
import { PartitionKeyDefinitionVersion, PartitionKeyKind } from '@azure/cosmos';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId, randomName } from '../../../shared/clock/clock.ts';
import { parseConfig } from '../../../shared/config/config.ts';
import { ReplayStore } from '../../../shared/messaging/replays.ts';
import { AgentId, TenantId } from '../../../shared/scope/ids.ts';
import { TenantScope } from '../../../shared/scope/maker.ts';
import { containers } from '../../../shared/storage/containers.ts';
import { Cosmos } from '../../../shared/storage/cosmos.ts';
import { Epoch } from '../../../shared/storage/epoch.ts';
import { TenantStore } from '../../../shared/storage/tenant-store.ts';
import { startTarget, type Target } from '../../conformance/cosmos/target.ts';
import { exampleValues } from '../config/settings.ts';

const own = { agent: AgentId.parse('reader') };
let target: Target;
let here: ReplayStore;
let there: ReplayStore;

beforeAll(async () => {
  target = await startTarget();
  const { id, partitionKey, defaultTtl } = containers.work;
  await target.database.containers.create({
    id,
    partitionKey: { paths: [...partitionKey], kind: PartitionKeyKind.MultiHash, version: PartitionKeyDefinitionVersion.V2 },
    defaultTtl,
  });
  [here, there] = [instance(), instance()];
});
afterAll(() => target.stop());

function instance(): ReplayStore {
  const cosmos = new Cosmos(
    parseConfig({
      ...exampleValues,
      FLOWGRID_COSMOS_ENDPOINT: target.endpoint,
      FLOWGRID_INSECURE_COSMOS_KEY: target.key,
      FLOWGRID_COSMOS_DATABASE: target.database.id,
    }),
  );
  return new ReplayStore(new TenantStore(cosmos, new Epoch(cosmos)));
}

const tenant = () => new TenantScope(TenantId.parse(`t-${randomName(8)}`), 'envelope');

test('a message is new once; under its number it is a redelivery, under another one or in another queue a replay', async () => {
  const scope = tenant();
  const message = { messageId: newId(), to: 'reader' };
  expect(await here.seen(scope, message, 'agents', '7')).toBe('new');
  expect(await there.seen(scope, message, 'agents', '7')).toBe('redelivery');
  expect(await there.seen(scope, message, 'agents', '8')).toBe('replay');
  expect(await here.seen(scope, message, own, '7')).toBe('replay');
  expect(await here.seen(scope, message, 'agents', '7')).toBe('redelivery');
});

test('another tenant, another id and another recipient are other messages', async () => {
  const scope = tenant();
  const message = { messageId: newId(), to: 'orchestrator' };
  expect(await here.seen(scope, message, 'orchestrator', '1')).toBe('new');
  expect(await here.seen(tenant(), message, 'orchestrator', '2')).toBe('new');
  expect(await here.seen(scope, { ...message, messageId: newId() }, 'orchestrator', '3')).toBe('new');
  expect(await here.seen(scope, { ...message, to: 'reader' }, 'agents', '4')).toBe('new');
});

test('of two copies seen at once by two instances, one is new', async () => {
  const scope = tenant();
  for (let count = 0; count < 20; count++) {
    const message = { messageId: `${newId()}/#?`, to: 'reader' };
    const seen = await Promise.all([here.seen(scope, message, 'agents', '1'), there.seen(scope, message, 'agents', '2')]);
    expect(seen.sort()).toEqual(['new', 'replay']);
  }
});
