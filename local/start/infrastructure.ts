// What Bicep makes in Azure: the database, its containers, the platform's queues and the containers for blobs. Safe to repeat.
import { CosmosClient, PartitionKeyDefinitionVersion, PartitionKeyKind } from '@azure/cosmos';
import { blobContainers } from '../../shared/blobs/blobs.ts';
import { BusAdministration } from '../../shared/bus/bus-administration.ts';
import { Namespaces } from '../../shared/bus/namespaces.ts';
import { dependencyRetry, retrying } from '../../shared/clock/retry.ts';
import { parseConfig } from '../../shared/config/config.ts';
import { containers } from '../../shared/storage/containers.ts';
import { blobRequest } from './blob-request.ts';
import { removeOldClaims } from './old-claims.ts';

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
    ...blobContainers.map((name) => blobRequest(transport.blobs, { method: 'PUT', path: name, query: { restype: 'container' } }, [409])),
  ]);
  await removeOldClaims(transport.blobs);
  client.dispose();
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
