// Blob Storage of the twin: Azurite's blob server in this process, made to answer a write only when it is on disk.
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { withHttpFaults } from '../faults.ts';
import type { Service, ServiceOptions } from '../service.ts';

/** Azurite knows this account alone. */
export const accountName = 'devstoreaccount1';

/** What we use of Azurite 3.36, which has no types. */
interface AzuriteBlobServer {
  readonly httpServer: Server;
  readonly metadataStore: { readonly db: LokiDatabase };
  readonly extentMetadataStore: { readonly db: LokiDatabase };
  readonly accountDataStore: { accounts: Record<string, { name: string; key1: Buffer }>; refresh(): void };
  start(): Promise<void>;
  close(): Promise<void>;
}
interface LokiDatabase {
  readonly filename: string;
  serialize(): string;
  autosaveDisable(): void;
}

/**
 * Path-style addresses, `http://127.0.0.1:{port}/devstoreaccount1`, shared key and SAS of `accountKey` (base64). Azurite alone keeps its
 * index in memory for up to five seconds; here every successful write waits until it is saved.
 */
export async function startBlobs(options: ServiceOptions & { readonly accountKey: string }): Promise<Service> {
  const folder = join(options.folder, 'blobs');
  await mkdir(folder, { recursive: true });
  const server = createAzurite(folder, options.port);
  const account = { name: accountName, key1: Buffer.from(options.accountKey, 'base64') };
  server.accountDataStore.refresh = () => {
    server.accountDataStore.accounts = { [accountName]: account };
  };
  const [listener] = server.httpServer.listeners('request');
  server.httpServer.removeAllListeners('request');
  await server.start();
  const stores = [server.extentMetadataStore.db, server.metadataStore.db];
  for (const store of stores) store.autosaveDisable();
  const save = coalesced(() => saveTogether(stores, options.durable));
  server.httpServer.on('request', (request, response) => {
    const refuse = (status: 429 | 500) => refuseAsStorage(response, status);
    const handle = () => {
      if (!['GET', 'HEAD', 'OPTIONS'].includes(request.method ?? '')) holdUntil(save, response);
      // Node keeps its listeners as plain functions; this one is Azurite's express application.
      (listener as RequestListener)(request, response);
    };
    withHttpFaults(options.faults, 'blobs', request, response, refuse, handle).catch(() => request.socket.destroy());
  });

  const address = server.httpServer.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const closed = once(server.httpServer, 'close');
    server.httpServer.closeAllConnections();
    await save();
    await server.close();
    await closed;
  };
  return { port: address.port, stop: () => (stopped ??= stop()) };
}

/** Loaded only here: Azurite takes half a second and 55 MB. Its telemetry has another entry point, which is never called. */
function createAzurite(folder: string, port: number): AzuriteBlobServer {
  const load = createRequire(import.meta.url);
  const Configuration: new (...settings: unknown[]) => object = load('azurite/dist/src/blob/BlobConfiguration').default;
  const BlobServer: new (configuration: object) => AzuriteBlobServer = load('azurite/dist/src/blob/BlobServer').default;
  const keepAliveSeconds = 5;
  const index = [join(folder, '__azurite_db_blob__.json'), join(folder, '__azurite_db_blob_extent__.json')];
  const extents = [{ locationId: 'Default', locationPath: join(folder, '__blobstorage__'), maxConcurrency: 50 }];
  const accessLog = [false, undefined];
  const debugLog = [false, undefined];
  const loose = false;
  // The SDK asks for a newer version than Azurite lists.
  const skipApiVersionCheck = true;
  const settings = [...index, extents, ...accessLog, ...debugLog, loose, skipApiVersionCheck];
  return new BlobServer(new Configuration('127.0.0.1', port, keepAliveSeconds, ...settings));
}

/** Both snapshots are of one moment; blobs name extents, so extents are written first and no blob is ever read without them. */
async function saveTogether(stores: readonly LokiDatabase[], durable: boolean): Promise<void> {
  const snapshots = stores.map((store) => [store.filename, store.serialize()] as const);
  for (const [file, text] of snapshots) {
    await writeFile(`${file}.new`, text, { flush: durable });
    await rename(`${file}.new`, file);
  }
}

/** Runs `work` for all callers that came before it began; one run at a time, one waiting. */
function coalesced(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  return () => {
    waiting ??= running
      .catch(() => {})
      .then(() => {
        waiting = undefined;
        running = work();
        return running;
      });
    return waiting;
  };
}

/** A response that reports success ends only after `save`; when that fails, the connection is closed without an answer. */
function holdUntil(save: () => Promise<void>, response: ServerResponse): void {
  const end = response.end.bind(response);
  response.end = (...rest: unknown[]) => {
    if (response.statusCode >= 400) return Reflect.apply(end, response, rest);
    save().then(
      () => Reflect.apply(end, response, rest),
      () => response.destroy(),
    );
    return response;
  };
}

/** Blob Storage says 503 ServerBusy where other services say 429 (Azure Storage, status and error codes). */
function refuseAsStorage(response: ServerResponse<IncomingMessage>, status: 429 | 500): void {
  const [code, message] =
    status === 429 ? ['ServerBusy', 'The server is busy.'] : ['InternalError', 'The server encountered an internal error.'];
  response.writeHead(status === 429 ? 503 : 500, { 'content-type': 'application/xml', 'x-ms-error-code': code, 'retry-after': '1' });
  response.end(`<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
