import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CosmosClient, type OperationInput } from '@azure/cosmos';
import { expect, it, onTestFinished } from 'vitest';
import { startCosmos } from '../../../local/cosmos/start.ts';
import { Faults } from '../../../local/faults.ts';
import { isTwin, testKey } from './target.ts';

const retries = { connectionPolicy: { retryOptions: { maxRetryAttemptCount: 0 }, enableEndpointDiscovery: false } };

it.runIf(isTwin)('loses nothing it has acknowledged, and no part of a batch, when it is killed under load', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-cosmos-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const server = fork(join(import.meta.dirname, 'durability-server.ts'), [folder, testKey]);
  onTestFinished(() => void server.kill('SIGKILL'));
  const [port] = await once(server, 'message');
  const client = new CosmosClient({ endpoint: `http://127.0.0.1:${port}`, key: testKey, ...retries });
  const { database } = await client.databases.create({ id: 'kept' });
  const { container } = await database.containers.create({ id: 'kept', partitionKey: '/tenantId' });

  const acknowledged: { id: string; n: number }[] = [];
  let isAlive = true;
  const write = async (writer: number) => {
    for (let n = 0; isAlive; n++) {
      const id = `${writer}-${n}`;
      await container.items.create({ id, tenantId: 't', n });
      acknowledged.push({ id, n });
      const pair = ['a', 'b'].map(
        (half): OperationInput => ({ operationType: 'Create', resourceBody: { id: `${id}-${half}`, tenantId: 't', n } }),
      );
      await container.items.batch(pair, 't');
      acknowledged.push({ id: `${id}-a`, n });
      const last = `last-${writer}`;
      await container.items.upsert({ id: last, tenantId: 't', n });
      acknowledged.push({ id: last, n });
      if (acknowledged.length > 400 && isAlive) {
        isAlive = false;
        server.kill('SIGKILL');
      }
    }
  };
  await Promise.allSettled(Array.from({ length: 8 }, (_, writer) => write(writer)));
  client.dispose();

  const twin = await startCosmos({ folder, port: 0, durable: true, faults: new Faults(), key: testKey });
  onTestFinished(() => twin.stop());
  const reader = new CosmosClient({ endpoint: `http://127.0.0.1:${twin.port}`, key: testKey });
  const query = reader.database('kept').container('kept').items.query<{ id: string; n: number }>('SELECT * FROM c', { partitionKey: 't' });
  const found = new Map((await query.fetchAll()).resources.map(({ id, n }) => [id, n]));
  for (const { id, n } of acknowledged) expect(found.get(id), id).toBeGreaterThanOrEqual(n);
  for (const id of found.keys()) if (id.endsWith('-a')) expect(found.has(id.replace('-a', '-b'))).toBe(true);
  reader.dispose();
});
