// A tenant's stored ledger in a test: read and tampered with behind FlowGrid's back, and verified through it.
import { type Container, CosmosClient } from '@azure/cosmos';
import { expect } from 'vitest';
import { hostSettings } from '../../../local/start/host-settings.ts';
import type { LocalJson } from '../../../local/start/local-json.ts';
import type { Secrets } from '../../../local/start/secrets.ts';
import { Blobs } from '../../../shared/blobs/blobs.ts';
import { type Config, parseConfig } from '../../../shared/config/config.ts';
import { LedgerArchive } from '../../../shared/ledger/archive.ts';
import type { Segment } from '../../../shared/ledger/event.ts';
import { Ledger } from '../../../shared/ledger/ledger.ts';
import { TenantId } from '../../../shared/scope/ids.ts';
import { TenantScope } from '../../../shared/scope/maker.ts';
import { Cosmos } from '../../../shared/storage/cosmos.ts';
import { Epoch } from '../../../shared/storage/epoch.ts';
import { TenantStore } from '../../../shared/storage/tenant-store.ts';
import { until } from '../../flowgrid.ts';
import type { Asker } from '../asker.ts';

export interface Verdict {
  readonly status: string;
  readonly ok: boolean | null;
  readonly lanes: number;
  readonly events: number;
  readonly firstBroken: { readonly lane: string; readonly seq: number; readonly reason: string } | null;
}

export interface StoredSegment {
  readonly id: string;
  readonly lane: string;
  body: Segment;
}

/** Starts a verification and waits for what it finds. */
export async function verify(owner: Asker, tenantId: string): Promise<Verdict> {
  const { jobId } = await owner.post<{ jobId: string }>(`/tenants/${tenantId}/audit/verify`);
  let verdict: Verdict | undefined;
  await until(
    'the ledger is verified',
    async () => {
      verdict = await owner.get<Verdict>(`/tenants/${tenantId}/audit/verify?jobId=${jobId}`);
      return verdict.status !== 'running';
    },
    20_000,
  );
  if (!verdict) throw new Error('there is a verdict');
  return verdict;
}

/** Starts an export and waits for its lines. */
export async function exportOf(owner: Asker, tenantId: string): Promise<string> {
  const { jobId } = await owner.post<{ jobId: string }>(`/tenants/${tenantId}/audit/export`);
  let text = '';
  await until(
    'the ledger is exported',
    async () => {
      const answer = await owner.ask('GET', `/tenants/${tenantId}/audit/export?jobId=${jobId}`);
      expect([200, 202]).toContain(answer.status);
      text = String(answer.body);
      return answer.status === 200;
    },
    20_000,
  );
  return text;
}

/** The settings of a host, for what a test runs in its own process. */
export function configOf(local: LocalJson): Config {
  const options = { port: 0, data: '', ephemeral: true, hosts: 1, only: undefined, join: undefined, strictOutbound: false };
  // The platform's key is in local.json, so the secrets are not looked at.
  return parseConfig(hostSettings(local, {} as Secrets, local.api, options));
}

/** Moves everything that is stored so far to the archive, as if it were old. */
export async function archiveAll(local: LocalJson, tenantId: string): Promise<string[]> {
  const config = configOf(local);
  const cosmos = new Cosmos(config);
  const archive = new LedgerArchive(new TenantStore(cosmos, new Epoch(cosmos)), new Blobs(config));
  const scope = new TenantScope(TenantId.parse(tenantId), 'assumed');
  const days: string[] = [];
  for (let day = await archive.moveOldest(scope, '9999'); day !== undefined; day = await archive.moveOldest(scope, '9999')) {
    days.push(day);
    // Today goes on.
    if (days.length > 1) break;
  }
  return days;
}

/** A third process that writes: its lane is at rest as soon as it is done. */
export async function appendAsAnother(local: LocalJson, tenantId: string, count: number): Promise<void> {
  const cosmos = new Cosmos(configOf(local));
  const ledger = new Ledger(new TenantStore(cosmos, new Epoch(cosmos)));
  const cause = { actor: { type: 'system', id: 'test', method: 'internal' }, requestId: 'request' } as const;
  const scope = new TenantScope(TenantId.parse(tenantId), 'assumed');
  for (let at = 1; at <= count; at++) {
    await ledger.append(scope, cause, { action: 'test.happened', entity: { type: 'test', id: String(at) } });
  }
  await ledger.flush();
}

/** The containers of the twin, for whoever holds the account's key. */
export class Stored {
  readonly #client: CosmosClient;
  readonly #tenantId: string;

  constructor({ cosmos }: Pick<LocalJson, 'cosmos'>, tenantId: string) {
    this.#client = new CosmosClient({ ...cosmos, connectionPolicy: { enableEndpointDiscovery: false } });
    this.#tenantId = tenantId;
  }

  get ledger(): Container {
    return this.#client.database('flowgrid').container('ledger');
  }

  get control(): Container {
    return this.#client.database('flowgrid').container('control');
  }

  /** All segments, lane by lane, each in order. */
  async segments(): Promise<StoredSegment[]> {
    const query = "SELECT * FROM c WHERE c.type = 'segment'";
    const { resources } = await this.ledger.items.query<StoredSegment>(query, { partitionKey: [this.#tenantId] }).fetchAll();
    return resources.sort((a, b) => (a.lane + a.id < b.lane + b.id ? -1 : 1));
  }

  /** The segments of the process lane that has most of them. */
  async longestLane(): Promise<StoredSegment[]> {
    const lanes = Map.groupBy(await this.segments(), ({ lane }) => lane);
    lanes.delete('control');
    const [longest] = [...lanes.values()].sort((a, b) => b.length - a.length);
    return longest ?? [];
  }

  async replace<Item extends { readonly id: string; readonly lane: string }>(item: Item): Promise<void> {
    await this.ledger.item(item.id, [this.#tenantId, item.lane]).replace(item);
  }

  async removeSegment({ id, lane }: { readonly id: string; readonly lane: string }): Promise<void> {
    await this.ledger.item(id, [this.#tenantId, lane]).delete();
  }

  async head(lane: string): Promise<{ id: string; lane: string; body: { seq: number; hash: string } }> {
    const { resource } = await this.ledger.item('head:head', [this.#tenantId, lane]).read();
    return resource;
  }

  dispose(): void {
    this.#client.dispose();
  }
}
