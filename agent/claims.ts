// Claim checks: a payload too large for its envelope lies in a blob, and the envelope says where, how large, and its SHA-256.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Envelope } from '../shared/messaging/envelope.ts';
import type { ControlPlane } from './control-plane.ts';

/** `POST /api/messages` takes no larger body. */
const maxBytes = 1_024 * 1_024;
const timeoutMs = 30_000;

const Claim = z.strictObject({
  $claim: z.strictObject({ url: z.url({ protocol: /^https?$/ }), sha256: z.string(), size: z.int().min(0).max(maxBytes) }),
});

/** The envelope with its payload, wherever that was; undefined when what lies there is not what was signed. Throws when it cannot be had now. */
export async function resolveClaim(envelope: Envelope, controlPlane: ControlPlane): Promise<Envelope | undefined> {
  const claim = Claim.safeParse(envelope.payload);
  if (!claim.success) return envelope;
  const { url, sha256, size } = claim.data.$claim;
  const content = (await read(url, size)) ?? (await readLate(envelope.messageId, size, controlPlane));
  if (content.length !== size || createHash('sha256').update(content).digest('hex') !== sha256) return undefined;
  return { ...envelope, payload: z.json().parse(JSON.parse(content.toString())) };
}

/** The url in an envelope is good for minutes; who comes later asks for another one. */
async function readLate(messageId: string, size: number, controlPlane: ControlPlane): Promise<Buffer> {
  const { url } = await controlPlane.ask<{ url: string }>('GET', `/api/messages/claims/${encodeURIComponent(messageId)}`);
  const content = await read(url, size);
  if (!content) throw new Error('the payload of the message cannot be read');
  return content;
}

/** No more than one byte too many; undefined where the url opens nothing. */
async function read(url: string, size: number): Promise<Buffer | undefined> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    if (response.status >= 500) throw new Error(`the payload of the message cannot be read (${response.status})`);
    return undefined;
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body) {
    parts.push(part);
    length += part.length;
    if (length > size) break;
  }
  return Buffer.concat(parts);
}
