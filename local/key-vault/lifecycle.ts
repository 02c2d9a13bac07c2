// The operations that secrets and keys share: list, delete, recover, purge.
import type { Database } from '../database.ts';
import { type Objects, recoverableDays, type Stored } from './objects.ts';
import { type Call, page, type Route } from './route.ts';

/** How a kind of object looks on the wire. */
export interface Shape<Content> {
  readonly collection: 'secrets' | 'keys';
  /** The full object, without anything secret. */
  bundle(stored: Stored<Content>, id: string): object;
  /** Its entry in a list. */
  item(stored: Stored<Content>, id: string): object;
}

export function idOf(call: Call, collection: string, stored: { name: string; version: string }): string {
  return `${call.base}/${collection}/${stored.name}/${stored.version}`;
}

export function attributesOf(stored: Stored<unknown>): object {
  const { enabled, nbf, exp, created, updated, recoveryLevel } = stored;
  return {
    enabled,
    ...(nbf !== null && { nbf }),
    ...(exp !== null && { exp }),
    created,
    updated,
    recoveryLevel,
    recoverableDays,
  };
}

export function lifecycleRoutes<Content>(database: Database, objects: Objects<Content>, shape: Shape<Content>): Route[] {
  const { collection } = shape;
  const at = (pattern: string) => new RegExp(`^${pattern}/?$`);
  const bundle = (call: Call, stored: Stored<Content>) => shape.bundle(stored, idOf(call, collection, stored));
  const item = (call: Call, stored: Stored<Content>) => shape.item(stored, `${call.base}/${collection}/${stored.name}`);
  const deletion = (call: Call, stored: Stored<Content>) => ({
    recoveryId: `${call.base}/deleted${collection}/${stored.name}`,
    deletedDate: stored.deleted,
    scheduledPurgeDate: (stored.deleted ?? 0) + recoverableDays * 86_400,
  });

  async function list(call: Call) {
    return database.read(() => page(call, objects.list.bind(objects, 'live'), 'name', (stored) => item(call, stored)));
  }
  async function listDeleted(call: Call) {
    const show = (stored: Stored<Content>) => ({ ...item(call, stored), ...deletion(call, stored) });
    return database.read(() => page(call, objects.list.bind(objects, 'deleted'), 'name', show));
  }
  async function listVersions(call: Call) {
    const show = (stored: Stored<Content>) => shape.item(stored, idOf(call, collection, stored));
    return database.read(() => page(call, objects.versions.bind(objects, call.name), 'version', show));
  }
  async function getDeleted(call: Call) {
    const stored = await database.read(() => objects.findDeleted(call.name));
    return { status: 200, body: { ...bundle(call, stored), ...deletion(call, stored) } };
  }
  async function remove(call: Call) {
    const stored = await database.write(() => objects.delete(call.name));
    return { status: 200, body: { ...bundle(call, stored), ...deletion(call, stored) } };
  }
  async function recover(call: Call) {
    const stored = await database.write(() => objects.recover(call.name));
    return { status: 200, body: bundle(call, stored) };
  }
  async function purge(call: Call) {
    await database.write(() => {
      objects.checkPurge(call.name);
      objects.purge(call.name);
    });
    return { status: 204 };
  }

  return [
    ['GET', at(`/${collection}`), list],
    ['GET', at(`/${collection}/(?<name>[^/]+)/versions`), listVersions],
    ['DELETE', at(`/${collection}/(?<name>[^/]+)`), remove],
    ['GET', at(`/deleted${collection}`), listDeleted],
    ['GET', at(`/deleted${collection}/(?<name>[^/]+)`), getDeleted],
    ['DELETE', at(`/deleted${collection}/(?<name>[^/]+)`), purge],
    ['POST', at(`/deleted${collection}/(?<name>[^/]+)/recover`), recover],
  ];
}
