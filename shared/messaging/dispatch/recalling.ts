// What a process knew last of the slots: the turns of a backlogged tenant come one behind the other, so almost always a slot is changed as it was left.
import { LRUCache } from 'lru-cache';
import type { Stored } from '../../storage/documents.ts';
import type { PlatformKind } from '../../storage/platform-documents.ts';
import type { Ground } from './ground.ts';
import { Pools } from './slots.ts';

/** 2 MB at most: one with more in it, of those who wait, is read. */
const [kept, maxWaiting] = [1_000, 10];

function isSmall(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'waiting' in body && Array.isArray(body.waiting) && body.waiting.length <= maxWaiting;
}

/** The ground with a memory for slots. */
export function recalling(ground: Omit<Ground, 'recall'>): Ground {
  const known = new LRUCache<string, Stored<unknown>>({ max: kept });
  const remember = (kind: PlatformKind<unknown>, name: string, body: unknown, etag: string | undefined) => {
    if (kind.type !== Pools.type) return;
    if (etag !== undefined && isSmall(body)) known.set(name, { name, body, etag });
    else known.delete(name);
  };
  return {
    ...ground,
    // What is remembered under a name was written or read under this one kind.
    recall: <Body>(kind: PlatformKind<Body>, name: string) => (kind.type === Pools.type ? (known.get(name) as Stored<Body>) : undefined),
    read: async (kind, name) => {
      const stored = await ground.read(kind, name);
      if (stored) remember(kind, name, stored.body, stored.etag);
      return stored;
    },
    create: async (kind, name, body) => {
      const etag = await ground.create(kind, name, body);
      remember(kind, name, body, etag);
      return etag;
    },
    replace: async (kind, stored, body) => {
      const etag = await ground.replace(kind, stored, body);
      remember(kind, stored.name, body, etag);
      return etag;
    },
  };
}
