// What the suite runs against: the twin, or the account or emulator given in the environment.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Container, type ContainerRequest, CosmosClient, type CosmosClientOptions, type Database } from '@azure/cosmos';
import { startCosmos } from '../../../local/cosmos/start.ts';
import { Faults } from '../../../local/faults.ts';

const { FLOWGRID_TEST_COSMOS_ENDPOINT: givenEndpoint, FLOWGRID_TEST_COSMOS_KEY: givenKey } = process.env;

/** Tests of what the twin refuses, or of faults, are for the twin only. */
export const isTwin = givenEndpoint === undefined;

export interface Target {
  readonly endpoint: string;
  readonly key: string;
  readonly faults: Faults;
  readonly client: CosmosClient;
  /** Of this target alone, deleted by `stop`. */
  readonly database: Database;
  /** Another client of the same account. */
  connect(options?: Partial<CosmosClientOptions>): CosmosClient;
  /** A new container, by default with the key `/tenantId`. */
  container(definition?: Partial<ContainerRequest>): Promise<Container>;
  stop(): Promise<void>;
}

export const testKey = Buffer.from('the master key of the test twin!').toString('base64');

export async function startTarget(): Promise<Target> {
  const faults = new Faults();
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-cosmos-'));
  const key = givenKey ?? testKey;
  const twin = isTwin ? await startCosmos({ folder, port: 0, durable: false, faults, key }) : undefined;
  const endpoint = givenEndpoint ?? `http://127.0.0.1:${twin?.port}`;
  const clients: CosmosClient[] = [];
  const connect = (options: Partial<CosmosClientOptions> = {}) => {
    const client = new CosmosClient({ endpoint, key, ...options });
    clients.push(client);
    return client;
  };
  const client = connect();
  const { database } = await client.databases.create({ id: `flowgrid-${randomUUID()}` });
  return {
    endpoint,
    key,
    faults,
    client,
    database,
    connect,
    container: async (definition = {}) => {
      const body = { id: randomUUID(), partitionKey: { paths: ['/tenantId'] }, ...definition };
      return (await database.containers.create(body)).container;
    },
    stop: async () => {
      faults.set([]);
      await database.delete();
      for (const each of clients) each.dispose();
      await twin?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a request was refused with. */
export interface Refused {
  readonly code: number;
  readonly substatus: number | undefined;
  readonly message: string;
}

export async function refusalOf(promise: Promise<unknown>): Promise<Refused> {
  try {
    await promise;
  } catch (error) {
    // The SDK rejects with an ErrorResponse; of a batch it is the cause.
    const { cause = error } = error as { cause?: unknown };
    return cause as Refused;
  }
  throw new Error('the request was not refused');
}
