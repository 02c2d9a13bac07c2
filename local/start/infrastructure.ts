// What Bicep makes in Azure: the database, its containers, the platform's queues and the containers for blobs. Safe to repeat.
import { createHmac } from 'node:crypto';
import { CosmosClient, PartitionKeyDefinitionVersion, PartitionKeyKind } from '@azure/cosmos';
import { blobContainers } from '../../shared/blobs/blobs.ts';
import { BusAdministration } from '../../shared/bus/bus-administration.ts';
import { Namespaces } from '../../shared/bus/namespaces.ts';
import { dependencyRetry, retrying } from '../../shared/clock/retry.ts';
import { parseConfig } from '../../shared/config/config.ts';
import { containers } from '../../shared/storage/containers.ts';

/** Reads the settings of this process. Throws a ConfigError when they are wrong. */
export async function ensureInfrastructure(): Promise<void> {
  const config = parseConfig(process.env);
  const { transport, cosmos } = config;
  if (transport.kind !== 'insecure') throw new Error('in Azure, Bicep makes these');
  const client = new CosmosClient({
    endpoint: cosmos.endpoint,
    key: transport.cosmosKey,
    connectionPolicy: { enableEndpointDiscovery: false },
  });
  const bus = new BusAdministration(new Namespaces(config, async () => undefined));
  const containersMade = retrying(
    dependencyRetry,
    () => ({ again: true }),
    async () => {
      const { database } = await client.databases.createIfNotExists({ id: cosmos.database });
      await Promise.all(Object.values(containers).map((definition) => database.containers.createIfNotExists(asRequest(definition))));
    },
  );
  await Promise.all([
    containersMade,
    bus.ensurePlatformQueue('platform-provision'),
    bus.ensurePlatformQueue('platform-dispatch'),
    ...blobContainers.map((name) => ensureBlobContainer(transport.blobs, name)),
  ]);
  client.dispose();
}

/** One request by hand, signed with the shared key (Azure Storage, "Authorize with Shared Key"): the SDK would take longer to load than all of this. */
async function ensureBlobContainer(connectionString: string, name: string): Promise<void> {
  const part = (field: string): string => new RegExp(`(?:^|;)${field}=([^;]+)`).exec(connectionString)?.[1] ?? '';
  const url = new URL(`${part('BlobEndpoint')}/${name}?restype=container`);
  const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-12-02' };
  const named = Object.entries(headers).map(([header, value]) => `${header}:${value}\n`);
  const text = `PUT${'\n'.repeat(12)}${named.join('')}/${part('AccountName')}${url.pathname}\nrestype:container`;
  const signature = createHmac('sha256', Buffer.from(part('AccountKey'), 'base64'))
    .update(text)
    .digest('base64');
  await retrying(
    dependencyRetry,
    () => ({ again: true }),
    async () => {
      const authorization = `SharedKey ${part('AccountName')}:${signature}`;
      const answer = await fetch(url, { method: 'PUT', headers: { ...headers, authorization } });
      await answer.arrayBuffer();
      if (!answer.ok && answer.status !== 409) throw new Error(`Blob Storage did not make ${name} (${answer.status})`);
    },
  );
}

function asRequest(definition: (typeof containers)[keyof typeof containers]) {
  const { id, partitionKey, indexing } = definition;
  return {
    id,
    partitionKey: {
      paths: [...partitionKey],
      kind: partitionKey.length > 1 ? PartitionKeyKind.MultiHash : PartitionKeyKind.Hash,
      version: PartitionKeyDefinitionVersion.V2,
    },
    ...('defaultTtl' in definition && { defaultTtl: definition.defaultTtl }),
    indexingPolicy: {
      automatic: true,
      includedPaths: indexing.included.map((path) => ({ path })),
      excludedPaths: indexing.included.some((path) => path === '/*') ? [] : [{ path: '/*' }],
    },
  };
}
