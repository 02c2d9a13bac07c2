// Writes answers and errors with the headers every answer of the service has.
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Refusal } from './refusal.ts';

export interface Reply {
  readonly status: number;
  readonly body?: string | undefined;
  readonly charge: number;
  readonly etag?: string | undefined;
  /** Of a feed. */
  readonly count?: number;
  readonly continuation?: string | undefined;
}

export function send(response: ServerResponse, { status, body = '', charge, etag, count, continuation }: Reply): void {
  const headers = headersOf(body, charge);
  if (etag !== undefined) headers.push('etag', etag);
  if (count !== undefined) headers.push('x-ms-item-count', String(count));
  if (continuation !== undefined) headers.push('x-ms-continuation', continuation);
  response.writeHead(status, headers).end(body);
}

export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  const headers = headersOf(refusal.body, refusal.status === 429 ? 0.38 : 2);
  headers.push('x-ms-substatus', String(refusal.substatus));
  if (refusal.status === 429) headers.push('x-ms-retry-after-ms', String(5 + Math.floor(Math.random() * 46)));
  response.writeHead(refusal.status, headers).end(refusal.body);
}

function headersOf(body: string, charge: number): string[] {
  // Clients under Strong consistency need no more of a session token than that it grows.
  const headers = ['x-ms-request-charge', String(charge), 'x-ms-session-token', `0:-1#${Date.now()}`, 'x-ms-activity-id', randomUUID()];
  if (body !== '') headers.push('content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)));
  return headers;
}
