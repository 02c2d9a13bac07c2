// The platform's own documents: uniqueness claims, the list of tenants, markers and leases. Nothing of a tenant's content is kept here.

import type * as z from 'zod';
import { newId } from '../clock/clock.ts';
import { type PlatformScope, verifyPlatform } from '../scope/scope.ts';
import { type Cosmos, request, statusOf } from './cosmos.ts';
import type { Stored } from './documents.ts';

export interface PlatformKind<Body> {
  readonly type: string;
  readonly schema: z.ZodType<Body>;
}

interface Item {
  readonly id: string;
  readonly type: string;
  readonly body: unknown;
  readonly write: string;
  readonly _etag?: string;
}

export class PlatformDocuments {
  readonly #cosmos: Cosmos;

  constructor(cosmos: Cosmos) {
    this.#cosmos = cosmos;
  }

  async read<Body>(scope: PlatformScope, kind: PlatformKind<Body>, name: string): Promise<Stored<Body> | undefined> {
    verifyPlatform(scope);
    const item = await this.#readItem(`${kind.type}:${name}`);
    return item && { name, body: kind.schema.parse(item.body), etag: item._etag ?? '' };
  }

  /** The tag it has now; undefined when the name is taken. */
  async create<Body>(scope: PlatformScope, kind: PlatformKind<Body>, name: string, body: Body): Promise<string | undefined> {
    verifyPlatform(scope);
    const item = this.#item(kind, name, body);
    const container = await this.#cosmos.container('platform');
    return this.#unless([409], item, () => container.items.create(item));
  }

  /** The tag it has now; undefined when the document has changed or gone since it was read. */
  async replace<Body>(scope: PlatformScope, kind: PlatformKind<Body>, stored: Stored<Body>, body: Body): Promise<string | undefined> {
    verifyPlatform(scope);
    const item = this.#item(kind, stored.name, body);
    const container = await this.#cosmos.container('platform');
    const accessCondition = { type: 'IfMatch', condition: stored.etag };
    return this.#unless([404, 412], item, () => container.item(item.id, item.id).replace(item, { accessCondition }));
  }

  /** Safe to repeat. */
  async remove(scope: PlatformScope, kind: PlatformKind<unknown>, name: string): Promise<void> {
    verifyPlatform(scope);
    const container = await this.#cosmos.container('platform');
    const id = `${kind.type}:${name}`;
    await request(async () => {
      try {
        await container.item(id, id).delete();
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
      }
    });
  }

  /** False when the document has changed or gone since it was read. One that is gone after a lost answer counts as removed by this call. */
  async removeUnchanged(scope: PlatformScope, kind: PlatformKind<unknown>, stored: Stored<unknown>): Promise<boolean> {
    verifyPlatform(scope);
    const container = await this.#cosmos.container('platform');
    const id = `${kind.type}:${stored.name}`;
    return request(async (count) => {
      try {
        await container.item(id, id).delete({ accessCondition: { type: 'IfMatch', condition: stored.etag } });
        return true;
      } catch (error) {
        const status = statusOf(error);
        if (status !== 404 && status !== 412) throw error;
        return status === 404 && count > 1;
      }
    });
  }

  /** A cheap read that shows whether Cosmos answers at all. */
  async ping(): Promise<void> {
    await this.#readItem('ping:ping');
  }

  #item(kind: PlatformKind<unknown>, name: string, body: unknown): Item & { id: string } {
    return { id: `${kind.type}:${name}`, type: kind.type, body: kind.schema.parse(body), write: newId() };
  }

  /** Runs a write; one of these statuses means "no", unless an earlier try of this very write was the one that got there first. */
  #unless(statuses: readonly number[], item: Item, write: () => Promise<{ etag: string }>): Promise<string | undefined> {
    return request(async (count) => {
      try {
        return (await write()).etag;
      } catch (error) {
        if (!statuses.includes(statusOf(error) ?? 0)) throw error;
        if (count === 1) return undefined;
        const present = await this.#readItem(item.id);
        return present?.write === item.write ? present._etag : undefined;
      }
    });
  }

  async #readItem(id: string): Promise<Item | undefined> {
    const container = await this.#cosmos.container('platform');
    const { resource } = await request(() => container.item(id, id).read<Item>());
    return resource;
  }
}
