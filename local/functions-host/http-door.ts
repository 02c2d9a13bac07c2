// The HTTP side of the host: takes requests, finds their function and runs it, buffered (request and response pass the library as bytes) or,
// if the app asked for it, streamed through the library's own server.
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { InvocationRequest, TypedData } from './core-module.ts';
import { writeHttpResponse, writeStatus } from './http-response.ts';
import type { Invoker } from './invoke.ts';
import { bindingStrings, joinedHeaders, joinedQuery } from './request-data.ts';
import { type RequestTarget, readRequestTarget } from './request-target.ts';
import type { HttpFunction, Router } from './router.ts';
import { BodyTooLong, Interruption, StreamProxy } from './stream-proxy.ts';

/** Azure's limit on a request: 210 MB. */
const bodyLimit = 210 * 1024 * 1024;

interface Call {
  readonly target: HttpFunction;
  readonly params: Readonly<Record<string, string>>;
  readonly at: RequestTarget;
  readonly host: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Of the body by its header; undefined if it comes in chunks. */
  readonly length: number | undefined;
}

export class HttpDoor {
  readonly #router: Router;
  readonly #invoker: Invoker;
  readonly #proxy: StreamProxy | undefined;
  readonly #server: Server;
  /** Responses and invocations not done. */
  #open = 0;
  #stopping = false;
  #idle: (() => void) | undefined;

  /** `httpUri` is the library's own server, if the app streams. */
  constructor(router: Router, invoker: Invoker, httpUri: string | undefined) {
    this.#router = router;
    this.#invoker = invoker;
    this.#proxy = httpUri === undefined ? undefined : new StreamProxy(httpUri, bodyLimit);
    // Kestrel keeps a connection for 130 s.
    this.#server = createServer({ keepAliveTimeout: 130_000, noDelay: true }, (request, response) => this.#receive(request, response));
  }

  /** Resolves to the port once it accepts connections on 127.0.0.1. */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => this.#server.once('error', reject).listen(port, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port; // an address and port, as it listens on TCP
  }

  /** Accepts no more connections; resolves once every request begun before has its response. */
  async drain(): Promise<void> {
    this.#stopping = true;
    this.#server.close();
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  /** Drops whatever is left. */
  close(): void {
    this.#server.closeAllConnections();
    this.#proxy?.close();
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    this.#open++;
    response.on('close', this.#closed);
    if (this.#stopping) response.shouldKeepAlive = false;
    const at = readRequestTarget(request.url ?? '');
    const host = request.headers.host ?? '';
    if (!at || !/^[\w.:[\]-]*$/.test(host)) {
      writeStatus(response, 400);
      return;
    }
    const match = this.#router.match(request.method ?? '', at.path);
    if (!match) {
      writeStatus(response, 404);
      return;
    }
    const declared = request.headers['content-length'];
    const length = declared !== undefined ? Number(declared) : request.headers['transfer-encoding'] === undefined ? 0 : undefined;
    if (length !== undefined && length > bodyLimit) {
      response.shouldKeepAlive = false;
      writeStatus(response, 413);
      return;
    }
    const call: Call = { ...match, at, host, request, response, length };
    this.#open++;
    if (this.#proxy) void this.#stream(call, this.#proxy);
    else void this.#answer(call);
  }

  readonly #closed = () => {
    if (--this.#open === 0) this.#idle?.();
  };

  async #answer(call: Call): Promise<void> {
    const { called, binding } = call.target;
    const id = randomUUID();
    // As on Azure: only a body with a content-length reaches a function that does not stream (azure-functions-nodejs-library#171).
    if (call.length === undefined)
      this.#invoker.log(undefined, 'warning', 'system', `${called.metadata.name}: a body sent in chunks is dropped.`);
    try {
      const bytes = call.length ? await readBody(call.request, call.length) : undefined;
      const http: TypedData = {
        http: {
          method: call.request.method ?? '',
          url: `http://${call.host}${call.at.urlPath}${call.at.query}`,
          headers: joinedHeaders(call.request),
          query: joinedQuery(call.at.query),
          params: call.params,
          ...(bytes && { body: { bytes } }),
        },
      };
      const { returnValue } = await this.#invoker.invoke(called, invocation(call, id, [{ name: binding, data: http }], {}));
      writeHttpResponse(call.response, returnValue);
    } catch (error) {
      this.#invoker.failed(called.metadata.name, id, error);
      this.#fail(call.response, 500);
    } finally {
      this.#closed();
    }
  }

  async #stream(call: Call, proxy: StreamProxy): Promise<void> {
    const { called, binding } = call.target;
    const { request, response, at, host, length } = call;
    const id = randomUUID();
    const metadata = bindingStrings(at.query, call.params, joinedHeaders(request));
    // Both at once: the invocation waits for the forwarded request, and the library answers it.
    const forwarding = proxy.forward({ request, response, url: `${at.urlPath}${at.query}`, host, invocationId: id, length });
    const answered = forwarding.done.catch((error: unknown) => this.#brokenOff(call, id, error));
    try {
      await this.#invoker.invokeStreaming(called, invocation(call, id, [{ name: binding, data: { http: {} } }], metadata));
      await answered;
    } catch (error) {
      this.#invoker.failed(called.metadata.name, id, error);
      forwarding.interrupt();
    } finally {
      this.#closed();
    }
  }

  #brokenOff({ target, response }: Call, id: string, error: unknown): void {
    if (!(error instanceof Interruption)) this.#invoker.failed(target.called.metadata.name, id, error);
    this.#fail(response, error instanceof BodyTooLong ? 413 : 500);
  }

  /** The caller learns nothing but that it failed. */
  #fail(response: ServerResponse, status: 413 | 500): void {
    if (response.headersSent) {
      response.destroy();
    } else if (!response.destroyed) {
      if (status === 413) response.shouldKeepAlive = false;
      writeStatus(response, status);
    }
  }
}

async function readBody(request: IncomingMessage, length: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks, length);
}

function invocation(
  call: Call,
  invocationId: string,
  inputData: InvocationRequest['inputData'],
  triggerMetadata: InvocationRequest['triggerMetadata'],
): InvocationRequest {
  const { traceparent, tracestate } = call.request.headers;
  return {
    invocationId,
    functionId: call.target.called.metadata.functionId ?? call.target.called.metadata.name,
    inputData,
    triggerMetadata,
    traceContext: { traceParent: String(traceparent ?? ''), traceState: String(tracestate ?? '') },
  };
}
