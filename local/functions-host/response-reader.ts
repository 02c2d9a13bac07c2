// Reads HTTP/1.1 responses of Node's own server off a connection and writes them to a client as they come.
import type { ServerResponse } from 'node:http';

/** RFC 9110, 7.6.1. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade']);
const headLimit = 64 * 1024;
const [cr, lf] = [13, 10];

type Part = 'head' | 'length' | 'size' | 'chunk' | 'after chunk' | 'last' | 'end';

export class ResponseReader {
  #part: Part = 'head';
  #head = '';
  #headOnly = false;
  /** Of the body or the current chunk. */
  #left = 0;

  /** The next bytes are a response, to a HEAD request if `headOnly`. */
  begin(headOnly: boolean): void {
    this.#part = 'head';
    this.#head = '';
    this.#headOnly = headOnly;
  }

  /** Writes on what `data` holds; true once the response is complete (its end is not written). Throws for what Node's server never sends. */
  read(data: Buffer, client: ServerResponse): boolean {
    let at = 0;
    while (at < data.length && this.#part !== 'end') {
      switch (this.#part) {
        case 'head':
          at = this.#readHead(data, client);
          break;
        case 'length':
        case 'chunk':
          at = this.#pass(data, at, client);
          break;
        case 'size':
          this.#readSize(data[at++] ?? 0);
          break;
        case 'after chunk':
          if (data[at++] === lf) this.#startChunk();
          break;
        case 'last':
          if (data[at++] === lf) this.#part = 'end';
          break;
      }
    }
    if (at < data.length) throw new Error('more bytes followed the response');
    return this.#part === 'end';
  }

  /** Returns where the body begins. */
  #readHead(data: Buffer, client: ServerResponse): number {
    const before = this.#head.length;
    this.#head += data.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (end < 0) {
      if (this.#head.length > headLimit) throw new Error('the response head is too long');
      return data.length;
    }
    this.#writeHead(this.#head.slice(0, end), client);
    const body = end + 4 - before;
    if (body === data.length && this.#part !== 'end') client.flushHeaders();
    return body;
  }

  #writeHead(head: string, client: ServerResponse): void {
    const [first = '', ...lines] = head.split('\r\n');
    const status = Number(first.slice(9, 12));
    if (!first.startsWith('HTTP/1.1 ') || !(status >= 200)) throw new Error(`unexpected response: ${first}`);
    const headers: string[] = [];
    let length = 0;
    let chunked = false;
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon);
      const value = line.slice(colon + 2);
      const key = name.toLowerCase();
      if (key === 'content-length') length = Number(value);
      if (key === 'transfer-encoding') chunked = true;
      if (!hopByHop.has(key)) headers.push(name, value);
    }
    client.writeHead(status, headers);
    const bodiless = this.#headOnly || status === 204 || status === 304;
    if (chunked && !bodiless) {
      this.#startChunk();
    } else {
      this.#left = bodiless ? 0 : length;
      this.#part = this.#left === 0 ? 'end' : 'length';
    }
  }

  #startChunk(): void {
    this.#part = 'size';
    this.#left = 0;
  }

  #readSize(byte: number): void {
    if (byte === lf) this.#part = this.#left > 0 ? 'chunk' : 'last';
    else if (byte !== cr) this.#left = this.#left * 16 + hexDigit(byte);
  }

  /** Passes on body bytes from `at`; returns where they end. */
  #pass(data: Buffer, at: number, client: ServerResponse): number {
    const end = Math.min(data.length, at + this.#left);
    client.write(at === 0 && end === data.length ? data : data.subarray(at, end));
    this.#left -= end - at;
    if (this.#left === 0) this.#part = this.#part === 'chunk' ? 'after chunk' : 'end';
    return end;
  }
}

function hexDigit(byte: number): number {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  if (Number.isNaN(digit)) throw new Error('a chunk of the response has no size');
  return digit;
}
