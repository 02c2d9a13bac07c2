// What the suite runs against: the local broker, or the emulator or namespace named by FLOWGRID_TEST_SERVICEBUS_CONNECTION_STRING and
// FLOWGRID_TEST_SERVICEBUS_ADMIN_CONNECTION_STRING.
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type CreateQueueOptions, ServiceBusAdministrationClient, ServiceBusClient } from '@azure/service-bus';
import { Faults } from '../../../local/faults.ts';
import type { Limits } from '../../../local/service-bus/broker.ts';
import { startServiceBus } from '../../../local/service-bus/start.ts';

export const ROOT_RULE = 'RootManageSharedAccessKey';
export const ROOT_KEY = 'the root key of the tests';

export const { FLOWGRID_TEST_SERVICEBUS_CONNECTION_STRING: given, FLOWGRID_TEST_SERVICEBUS_ADMIN_CONNECTION_STRING: givenAdmin } =
  process.env;
/** The suite runs against the local broker: its limits can be set, its faults played. */
export const local = given === undefined;
/** The shortest lock the service's portal offers; the API and the local broker take less. */
export const SHORT_LOCK = local ? 'PT1S' : 'PT5S';

export interface Target {
  readonly faults: Faults;
  readonly port: number;
  readonly adminPort: number;
  readonly admin: ServiceBusAdministrationClient;
  /** A client that does not retry, closed with the target; with the root rule unless told otherwise. */
  client(connectionString?: string, timeoutInMs?: number): ServiceBusClient;
  /** Creates a queue of a new name. */
  queue(options?: CreateQueueOptions): Promise<string>;
  stop(): Promise<void>;
}

export async function startTarget(limits?: Partial<Limits>): Promise<Target> {
  const faults = new Faults();
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-service-bus-'));
  const broker = local
    ? await startServiceBus({ folder, port: 0, adminPort: 0, durable: true, faults, rootKey: ROOT_KEY, limits })
    : undefined;
  const [port, adminPort] = [broker?.port ?? 0, broker?.adminPort ?? 0];
  const connectionString = given ?? withKey(port);
  const admin = administration(givenAdmin ?? given ?? withKey(adminPort));
  const clients: ServiceBusClient[] = [];
  const queues: string[] = [];
  return {
    faults,
    port,
    adminPort,
    admin,
    client(other, timeoutInMs = 10_000) {
      const client = new ServiceBusClient(other ?? connectionString, {
        retryOptions: { maxRetries: 0, retryDelayInMs: 50, timeoutInMs },
      });
      clients.push(client);
      return client;
    },
    async queue(options) {
      const name = `conformance-${randomUUID().slice(0, 13)}`;
      queues.push(name);
      await admin.createQueue(name, options);
      return name;
    },
    async stop() {
      faults.set([]);
      await Promise.all(clients.map((client) => client.close()));
      if (!local) await Promise.all(queues.map((name) => admin.deleteQueue(name).catch(() => {})));
      await broker?.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function withKey(port: number, rule = ROOT_RULE, key = ROOT_KEY): string {
  return `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=${rule};SharedAccessKey=${key};UseDevelopmentEmulator=true;`;
}

export function withToken(port: number, token: string): string {
  return `Endpoint=sb://127.0.0.1:${port};SharedAccessSignature=${token};UseDevelopmentEmulator=true;`;
}

/** An administration client that speaks plain HTTP to emulators (the SDK always asks for https, azure-sdk-for-js#32757). */
export function administration(connectionString: string): ServiceBusAdministrationClient {
  const client = new ServiceBusAdministrationClient(connectionString, { retryOptions: { maxRetries: 0 } });
  if (!connectionString.includes('UseDevelopmentEmulator=true')) return client;
  client.pipeline.addPolicy({
    name: 'plain http',
    sendRequest: (request, next) => {
      request.url = request.url.replace(/^https:/, 'http:');
      request.allowInsecureConnection = true;
      return next(request);
    },
  });
  return client;
}

/** A token as the SDK makes them. `expires` in seconds since 1970. */
export function sign(resource: string, rule: string, key: string, expires = Math.ceil(Date.now() / 1_000) + 300): string {
  const encoded = encodeURIComponent(resource);
  const signature = createHmac('sha256', key).update(`${encoded}\n${expires}`).digest('base64');
  return `SharedAccessSignature sr=${encoded}&sig=${encodeURIComponent(signature)}&se=${expires}&skn=${encodeURIComponent(rule)}`;
}

/** Waits until `look` gives something other than undefined and false. */
export async function until<T>(look: () => T | Promise<T>, what: string): Promise<NonNullable<T>> {
  for (const end = Date.now() + 10_000; Date.now() < end; await wait(15)) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
  }
  throw new Error(`waited in vain until ${what}`);
}
