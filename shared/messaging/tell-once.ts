// What a message has the ledger tell is told once, however often the message comes.
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { create, type DocumentKind, put } from '../storage/documents.ts';
import type { TenantStore } from '../storage/tenant-store.ts';

const Told = z.strictObject({ messageId: z.string(), told: z.boolean() });
type ToldKind = DocumentKind<z.infer<typeof Told>>;

/** Twice as long as a message may be underway. */
const ttlSeconds = 48 * 3_600;

export function toldKind(bucket: string, type: string): ToldKind {
  return { container: 'work', bucket, type, schema: Told };
}

/** A document's name for an id that may hold anything. */
export function toldName(agentId: string, id: string): string {
  return `${agentId}:${createHash('sha256').update(id).digest('base64url')}`;
}

/**
 * Tells unless it was told, or another message is about to: that one is not settled before it has. A crash between the telling and its mark lets the same
 * message tell once more. Throws a DependencyError.
 */
export async function tellOnce(
  partition: ReturnType<TenantStore['of']>,
  kind: ToldKind,
  name: string,
  messageId: string,
  tell: () => Promise<void>,
): Promise<void> {
  if (!(await partition.commit([create(kind, name, { messageId, told: false }, ttlSeconds)])).done) {
    const taken = await partition.read(kind, name);
    if (taken && (taken.body.told || taken.body.messageId !== messageId)) return;
  }
  await tell();
  await partition.commit([put(kind, name, { messageId, told: true }, ttlSeconds)]);
}
