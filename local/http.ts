// What the HTTP parts of the twin share: a server on 127.0.0.1 that stops at once, bodies with a bound, secrets compared in constant time.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import type { Service } from './service.ts';

/**
 * Listens on 127.0.0.1 (port 0: any free one). A failure that `handle` does not answer itself is a mistake in the twin: it is printed and
 * the connection closed. `close` runs once, after the last connection is gone.
 */
export async function serveHttp(
  port: number,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  close: () => void | Promise<void> = () => {},
): Promise<Service> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!request.socket.destroyed) console.error(error);
      request.socket.destroy();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    await close();
  };
  return { port: address.port, stop: () => (stopped ??= stop()) };
}

/** The body is longer than its reader allows. */
export class BodyTooLarge extends Error {}

/** The whole body, at most `limit` bytes of it. What is too long is read to its end, so that the refusal arrives. @throws {BodyTooLarge} */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
    else chunks.length = 0;
  }
  if (size > limit) throw new BodyTooLarge(`the body has more than ${limit} bytes`);
  return Buffer.concat(chunks);
}

export function sendJson(response: ServerResponse, status: number, body: object | undefined, headers: OutgoingHttpHeaders = {}): void {
  if (body === undefined) {
    response.writeHead(status, headers).end();
    return;
  }
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text), ...headers });
  response.end(text);
}

/** The token of `Authorization: Bearer …`. */
export function bearerToken(request: IncomingMessage): string | undefined {
  return /^Bearer ([^\s]+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** Equality of two secrets in a time that tells nothing of either. */
export function sameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
