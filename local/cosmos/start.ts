// The local Cosmos DB server: the REST protocol of the API for NoSQL as @azure/cosmos speaks it, over plain http on loopback.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Database } from '../database.ts';
import { type Faults, withHttpFaults } from '../faults.ts';
import { serveHttp } from '../http.ts';
import type { Service, ServiceOptions } from '../service.ts';
import { parseAddress } from './address.ts';
import type { Account } from './call.ts';
import { Catalog, catalogSchema } from './catalog.ts';
import { Expiry } from './expiry.ts';
import { Items, itemsSchema } from './items.ts';
import { MasterKey } from './master-key.ts';
import { PreviousVersions } from './previous-versions.ts';
import { Refusal, throttled } from './refusal.ts';
import { send, sendRefusal } from './reply.ts';
import { answer } from './requests.ts';

/** An account with Strong consistency and one write region, its data in `{folder}/cosmos.db`. @param options.key the master key, base64. */
export async function startCosmos(options: ServiceOptions & { key: string }): Promise<Service> {
  const database = new Database(join(options.folder, 'cosmos.db'), catalogSchema + itemsSchema, options.durable);
  const expiry = new Expiry(database);
  const account: Account = { database, catalog: new Catalog(database), items: new Items(database, expiry, new PreviousVersions()) };
  const key = new MasterKey(options.key);
  const close = () => {
    expiry.stop();
    database.close();
  };
  return serveHttp(options.port, (request, response) => serve(account, key, options.faults, request, response), close);
}

function serve(account: Account, key: MasterKey, faults: Faults, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const refuse = (status: 429 | 500) =>
    sendRefusal(response, status === 429 ? throttled() : new Refusal(500, 'An unknown error occurred while processing this request.'));
  return withHttpFaults(faults, 'cosmos', request, response, refuse, async () => {
    try {
      const address = parseAddress(request.url ?? '/');
      key.verify(request, address);
      const stale = faults.strike('cosmos', `${request.method} ${request.url}`, ['staleRead']) !== undefined;
      send(response, await answer({ ...account, request, address, stale }));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      sendRefusal(response, error);
    }
  });
}
