// Several namespaces: a tenant's queues are made, sent to and listened at in the one its record names, and in no other.
import { ServiceBusAdministrationClient } from '@azure/service-bus';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Faults } from '../../../local/faults.ts';
import { startServiceBus } from '../../../local/service-bus/start.ts';
import { Bus } from '../../../shared/bus/bus.ts';
import { BusAdministration } from '../../../shared/bus/bus-administration.ts';
import { Namespaces } from '../../../shared/bus/namespaces.ts';
import { parseConfig } from '../../../shared/config/config.ts';
import { plainLoopback } from '../../../shared/config/loopback-transport.ts';
import { DependencyError } from '../../../shared/errors/problem.ts';
import { TenantId } from '../../../shared/scope/ids.ts';
import { TenantScope } from '../../../shared/scope/maker.ts';
import { ROOT_KEY } from '../../conformance/service-bus/target.ts';
import { settings } from '../config/settings.ts';

type Broker = Awaited<ReturnType<typeof startServiceBus>>;

const placements = new Map([
  ['acme', 'one.example'],
  ['globex', 'two.example'],
]);
const [acme, globex] = ['acme', 'globex'].map((id) => new TenantScope(TenantId.parse(id), 'identity')) as [TenantScope, TenantScope];
const brokers: Broker[] = [];
let bus: Bus;
let administration: BusAdministration;

function connection(port: number): string {
  return `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=${ROOT_KEY};UseDevelopmentEmulator=true;`;
}

async function queuesOf(broker: Broker | undefined): Promise<(string | number)[][]> {
  const client = new ServiceBusAdministrationClient(connection(broker?.adminPort ?? 0));
  const { pipeline } = client as unknown as { pipeline: { addPolicy(policy: object, options: object): void } };
  pipeline.addPolicy(plainLoopback, { afterPhase: 'Retry' });
  const found: (string | number)[][] = [];
  for await (const { name, activeMessageCount } of client.listQueuesRuntimeProperties()) found.push([name, activeMessageCount]);
  return found;
}

beforeAll(async () => {
  for (let count = 0; count < 3; count++)
    brokers.push(
      await startServiceBus({ folder: ':memory:', durable: false, faults: new Faults(), rootKey: ROOT_KEY, port: 0, adminPort: 0 }),
    );
  const [home, ...further] = brokers;
  const config = parseConfig({
    ...settings,
    FLOWGRID_SERVICEBUS: connection(home?.port ?? 0),
    FLOWGRID_INSECURE_SERVICEBUS_ADMIN: connection(home?.adminPort ?? 0),
    FLOWGRID_INSECURE_SERVICEBUS_NAMESPACES: JSON.stringify(
      further.map(({ port, adminPort }, at) => ({
        name: ['one.example', 'two.example'][at],
        connectionString: connection(port),
        adminConnectionString: connection(adminPort),
      })),
    ),
  });
  const namespaces = new Namespaces(config, async ({ tenantId }) => placements.get(tenantId));
  bus = new Bus(namespaces);
  administration = new BusAdministration(namespaces);
});

afterAll(async () => {
  await bus.close();
  await Promise.all(brokers.map((broker) => broker.stop()));
});

describe('a tenant with a placement', () => {
  it('has its queues, messages and endpoint in its own namespace', async () => {
    const [home, one, two] = brokers;
    for (const scope of [acme, globex]) {
      await administration.ensureQueue(scope, 'dlq');
      await administration.ensureQueue(scope, 'agents');
      await bus.send(scope, 'agents', { messageId: 'm', body: {} });
    }
    expect(await queuesOf(home)).toEqual([]);
    expect(await queuesOf(one)).toEqual([
      ['acme-agents', 1],
      ['acme-dlq', 0],
    ]);
    expect(await queuesOf(two)).toEqual([
      ['globex-agents', 1],
      ['globex-dlq', 0],
    ]);
    expect(await bus.endpoint(acme)).toBe(`sb://127.0.0.1:${one?.port}/`);
    expect(await bus.endpoint(globex)).toBe(`sb://127.0.0.1:${two?.port}/`);

    await administration.deleteQueues(globex, []);
    expect(await queuesOf(two)).toEqual([]);
    expect(await queuesOf(one)).toHaveLength(2);
  });

  it('is refused where the deployment does not list its namespace', async () => {
    const transport = { kind: 'azure', serviceBus: [{ name: 'home.example' }], blobsUrl: 'https://blobs.example' } as const;
    const namespaces = new Namespaces({ transport }, async () => 'elsewhere.example');
    await expect(namespaces.of(acme)).rejects.toThrow(DependencyError);
  });
});

it('spreads tenants that nobody has placed over all namespaces, each always to the same', () => {
  const transport = { kind: 'azure', serviceBus: ['a', 'b', 'c'].map((name) => ({ name })), blobsUrl: 'https://blobs.example' } as const;
  const namespaces = new Namespaces({ transport }, async () => undefined);
  const counts = new Map<string, number>();
  for (let at = 0; at < 300; at++) {
    const name = namespaces.nameFor(`tenant-${at}`);
    expect(namespaces.nameFor(`tenant-${at}`)).toBe(name);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const name of ['a', 'b', 'c']) expect(counts.get(name)).toBeGreaterThan(60);
});
