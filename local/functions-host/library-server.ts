// The HTTP server the library opens for itself when an app streams (`app.setup({ enableHttpStream: true })`).
import { Server } from 'node:net';
import type { ProgrammingModel } from './core-module.ts';

/** What a worker of 2024 offers; the library adds `HttpUri` if the app streams. */
const workerCapabilities = {
  RawHttpBodyBytes: 'true',
  RpcHttpTriggerMetadataRemoved: 'true',
  RpcHttpBodyOnly: 'true',
  IgnoreEmptyValuedRpcHttpHeaders: 'true',
  UseNullableValueDictionaryForHttp: 'true',
  WorkerStatus: 'true',
  TypedDataCollection: 'true',
  HandlesWorkerTerminateMessage: 'true',
};

export interface LibraryServer {
  /** Where streamed requests are to be forwarded; undefined if the app does not stream. */
  readonly httpUri: string | undefined;
  close(): void;
}

/**
 * Asks the library for its capabilities, which makes it listen. It would do so on every interface and for good: while it is asked, a server
 * told no address gets loopback, and it is remembered so that it can be closed.
 */
export async function openLibraryServer(model: ProgrammingModel): Promise<LibraryServer> {
  const servers: Server[] = [];
  const listen = Server.prototype.listen;
  Server.prototype.listen = function listenOnLoopback(this: Server, ...options: unknown[]) {
    servers.push(this);
    const [first] = options;
    return Reflect.apply(listen, this, typeof first === 'function' ? [0, '127.0.0.1', first] : options);
  };
  try {
    const { HttpUri } = (await model.getCapabilities?.({ ...workerCapabilities })) ?? {};
    return {
      httpUri: HttpUri,
      close() {
        for (const server of servers) server.close();
      },
    };
  } finally {
    Server.prototype.listen = listen;
  }
}
