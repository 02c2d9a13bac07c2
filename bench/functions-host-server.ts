// A process of the benchmark `functions-host`: one no-op HTTP function, served by the local host (buffered or streamed, from the folder given)
// or, as the floor, by a bare Node server that drives it through the same unmodified library in buffered mode, without routes, hooks or logs.
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { app } from '@azure/functions';
import { FunctionApp, provideCoreModule } from '../local/functions-host/core-module.ts';
import { startFunctionsHost } from '../local/functions-host/host.ts';

const [kind, root = ''] = process.argv.slice(2);

function registerNoop(): void {
  if (kind === 'streamed') app.setup({ enableHttpStream: true });
  app.http('noop', { methods: ['GET'], route: 'noop/{id}', handler: async () => ({ body: 'ok' }) });
}

async function startBare(): Promise<number> {
  const registered = new FunctionApp();
  provideCoreModule(registered, () => {});
  registerNoop();
  const [noop] = registered.functions;
  const { model } = registered;
  if (!noop || !model) throw new Error('nothing was registered');
  const [binding = ''] = Object.keys(noop.metadata.bindings);
  const server: Server = createServer(async (request, response) => {
    const http = {
      method: request.method,
      url: `http://${request.headers.host}${request.url}`,
      headers: request.headers,
      query: {},
      params: {},
    };
    const data = { invocationId: randomUUID(), functionId: 'noop', inputData: [{ name: binding, data: { http } }], triggerMetadata: {} };
    const run = await model.getInvocationModel({ invocationId: data.invocationId, request: data, metadata: noop.metadata, log() {} });
    const { context, inputs } = await run.getArguments();
    const { returnValue } = await run.getResponse(context, await run.invokeFunction(context, inputs, noop.handler));
    const bytes = returnValue?.http?.body?.bytes ?? new Uint8Array();
    response.writeHead(Number(returnValue?.http?.statusCode), { ...returnValue?.http?.headers, 'content-length': bytes.length }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port; // it listens on TCP
}

const port =
  kind === 'bare' ? await startBare() : (await startFunctionsHost({ root, port: 0, settings: {}, load: async () => registerNoop() })).port;
process.send?.(port);
