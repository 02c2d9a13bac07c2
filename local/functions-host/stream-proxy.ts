// The second hop of HTTP streaming: passes a request on to the server the library opened (its capability HttpUri) and the response back, over
// kept connections. The peer is Node's own HTTP server on loopback, so this speaks what that one speaks and no more; through node:http the
// same hop takes a third longer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { ResponseReader } from './response-reader.ts';

/** Node closes a kept connection after 5 s without a request; one older than this is not used again. */
const reusableMs = 4_000;
const keptConnections = 256;

export interface Forwarded {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path and query. */
  readonly url: string;
  readonly host: string;
  readonly invocationId: string;
  /** Of the request body; undefined if it comes in chunks, 0 if there is none. */
  readonly length: number | undefined;
}

export interface Forwarding {
  /** Settles when nothing more will be written to the response; rejects if anyone broke off before its end. */
  readonly done: Promise<void>;
  /** Breaks off, if it still runs: `done` rejects with an Interruption. */
  interrupt(): void;
}

/** The body came in chunks and was longer than the limit. */
export class BodyTooLong extends Error {}

/** The client went away, or `interrupt` was called. */
export class Interruption extends Error {}

export class StreamProxy {
  readonly #host: string;
  readonly #port: number;
  readonly #bodyLimit: number;
  readonly #kept: Connection[] = [];

  /** `bodyLimit` is for bodies in chunks, in bytes; the length of others is known beforehand. */
  constructor(httpUri: string, bodyLimit: number) {
    const { hostname, port } = new URL(httpUri);
    this.#host = hostname === 'localhost' ? '127.0.0.1' : hostname;
    this.#port = Number(port);
    this.#bodyLimit = bodyLimit;
  }

  /** Sends the request on at once, and the response back as it comes. */
  forward(forwarded: Forwarded): Forwarding {
    const connection = this.#connection();
    return { done: connection.exchange(forwarded), interrupt: () => connection.interrupt(forwarded.response) };
  }

  close(): void {
    for (const connection of this.#kept.splice(0)) connection.destroy();
  }

  #connection(): Connection {
    for (let kept = this.#kept.pop(); kept; kept = this.#kept.pop()) {
      if (kept.usable && performance.now() - kept.idleSince < reusableMs) return kept;
      kept.destroy();
    }
    return new Connection(this.#host, this.#port, this.#bodyLimit, (connection) => {
      if (this.#kept.length < keptConnections) this.#kept.push(connection);
      else connection.destroy();
    });
  }
}

interface Exchange extends Forwarded {
  /** Whether the whole request body was passed on. */
  sent: boolean;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

class Connection {
  readonly #socket: Socket;
  readonly #hostHeader: string;
  readonly #bodyLimit: number;
  readonly #keep: (connection: Connection) => void;
  readonly #reader = new ResponseReader();
  #exchange: Exchange | undefined;
  idleSince = 0;

  constructor(host: string, port: number, bodyLimit: number, keep: (connection: Connection) => void) {
    this.#hostHeader = `${host}:${port}`;
    this.#bodyLimit = bodyLimit;
    this.#keep = keep;
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (data) => this.#read(data));
    this.#socket.on('drain', () => this.#exchange?.request.resume());
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error("the library's HTTP server closed the connection")));
  }

  get usable(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  interrupt(response: ServerResponse): void {
    if (this.#exchange?.response === response) this.#fail(new Interruption());
  }

  exchange(forwarded: Forwarded): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { request, response, length } = forwarded;
    this.#exchange = { ...forwarded, sent: length === 0, resolve, reject };
    this.#reader.begin(request.method === 'HEAD');
    response.on('drain', this.#resume);
    response.on('close', this.#clientGone);
    const body = length === 0 ? '' : length === undefined ? 'transfer-encoding: chunked\r\n' : `content-length: ${length}\r\n`;
    this.#socket.write(
      `${request.method} ${forwarded.url} HTTP/1.1\r\nhost: ${this.#hostHeader}\r\nx-ms-invocation-id: ${forwarded.invocationId}\r\n` +
        `x-forwarded-host: ${forwarded.host}\r\nx-forwarded-proto: http\r\n${body}\r\n`,
      'latin1',
    );
    if (length !== 0) this.#sendBody(this.#exchange);
    return promise;
  }

  #sendBody(exchange: Exchange): void {
    const { request, length } = exchange;
    let left = this.#bodyLimit;
    request.on('data', (chunk: Buffer) => {
      if (this.#exchange !== exchange) return;
      left -= chunk.length;
      if (length !== undefined) {
        this.#socket.write(chunk);
      } else if (left >= 0) {
        this.#socket.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]));
      } else {
        this.#fail(new BodyTooLong(`the request body is longer than ${this.#bodyLimit} bytes`));
      }
      if (this.#socket.writableNeedDrain) request.pause();
    });
    request.on('end', () => {
      if (this.#exchange !== exchange) return;
      if (length === undefined) this.#socket.write('0\r\n\r\n', 'latin1');
      exchange.sent = true;
    });
  }

  readonly #resume = () => this.#socket.resume();
  readonly #clientGone = () => this.#fail(new Interruption());

  #read(data: Buffer): void {
    const exchange = this.#exchange;
    try {
      if (!exchange) throw new Error('bytes came without a request');
      if (this.#reader.read(data, exchange.response)) this.#done(exchange);
      else if (exchange.response.writableNeedDrain) this.#socket.pause();
    } catch (error) {
      this.#fail(error);
    }
  }

  #done(exchange: Exchange): void {
    this.#release(exchange);
    exchange.response.end();
    this.#socket.resume();
    if (exchange.sent && this.usable) {
      this.idleSince = performance.now();
      this.#keep(this);
    } else {
      this.#socket.destroy();
    }
    exchange.resolve();
  }

  #fail(error: unknown): void {
    const exchange = this.#exchange;
    // Not before the request left: its invocation waits for it.
    if (this.#socket.connecting) this.#socket.destroySoon();
    else this.#socket.destroy();
    if (!exchange) return;
    this.#release(exchange);
    exchange.reject(error);
  }

  #release({ request, response }: Exchange): void {
    this.#exchange = undefined;
    response.off('drain', this.#resume);
    response.off('close', this.#clientGone);
    request.resume(); // what nobody will read
  }
}
