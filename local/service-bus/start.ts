// The local Service Bus: AMQP on one port, administration over HTTP on another, one SQLite file.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Database } from '../database.ts';
import type { Service, ServiceOptions } from '../service.ts';
import { Guard } from './access.ts';
import { startAdministration } from './administration.ts';
import { Broker, type Limits, standardLimits } from './broker.ts';
import { ClientConnection } from './connection.ts';
import { Queues, queueTable } from './queues.ts';
import { messageTables } from './rows.ts';

export interface ServiceBusOptions extends ServiceOptions {
  /** The key of the namespace rule `RootManageSharedAccessKey`. */
  readonly rootKey: string;
  readonly adminPort: number;
  /** What differs from a Standard namespace. */
  readonly limits?: Partial<Limits> | undefined;
}

// Sequence numbers and sizes are kept in memory too: one broker a file.
const schema = `PRAGMA locking_mode = EXCLUSIVE; ${queueTable} ${messageTables}`;

/**
 * Starts the broker. Clients connect with `Endpoint=sb://127.0.0.1:{port};…;UseDevelopmentEmulator=true`, administration clients with the same and
 * `adminPort`. Data is `{folder}/service-bus.db`; the folder `:memory:` keeps none.
 */
export async function startServiceBus(options: ServiceBusOptions): Promise<Service & { readonly adminPort: number }> {
  const path = options.folder === ':memory:' ? options.folder : join(options.folder, 'service-bus.db');
  const database = new Database(path, schema, options.durable);
  const undo: (() => unknown)[] = [() => database.close()];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const queues = new Queues(database);
    const guard = new Guard(queues, options.rootKey);
    const broker = new Broker(database, queues, guard, { ...standardLimits, ...options.limits }, options.faults);
    await broker.messages.open();
    undo.push(() => broker.messages.close());

    const server = createServer((socket) => new ClientConnection(broker, socket.setNoDelay(true)));
    server.listen(options.port, '127.0.0.1');
    await once(server, 'listening');
    undo.push(async () => {
      const closed = once(server, 'close');
      server.close();
      await Promise.all([...broker.clients].map((client) => client.close()));
      await closed;
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the broker listens on no port');

    const administration = await startAdministration(broker, options.adminPort, options.faults);
    undo.push(() => administration.stop());
    let stopped: Promise<void> | undefined;
    return { port: address.port, adminPort: administration.port, stop: () => (stopped ??= stop()) };
  } catch (error) {
    await stop();
    throw error;
  }
}
