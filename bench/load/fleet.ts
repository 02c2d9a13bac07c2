// Tenants that name everything alike and agents with the same ids in each of them, so that whatever is taken for another's is another's.
import { createServer, type IncomingMessage } from 'node:http';
import { Caller } from '../../local/demo/caller.ts';
import type { LocalJson } from '../../local/start/local-json.ts';
import type { VerificationKey } from '../../shared/messaging/signature.ts';
import { cardOf, newTenant } from '../../test/flowgrid.ts';
import { inTurn } from './in-turn.ts';

export interface FleetOptions {
  readonly tenants: number;
  readonly agents: number;
  /** The part of the agents that is pushed to, 0–1. */
  readonly pushed: number;
}

export interface Member {
  readonly house: House;
  readonly agentId: string;
  /** Acts with the agent's own key. */
  readonly caller: Caller;
  readonly delivery: 'pull' | 'push';
  readonly queue: string;
  /** Opens what is sent to it, and nothing else. */
  readonly key: VerificationKey;
}

export interface House {
  readonly at: number;
  readonly id: string;
  readonly owner: Caller;
  /** Lies in every card and payload of the tenant; found in another tenant's hands it tells whose it is. */
  readonly canary: string;
  readonly members: Member[];
}

/** The skill that every agent has, in every tenant. */
export const sharedSkill = 'shared-skill';

const atOnce = 8;

/** Makes them over all hosts. Agents are numbered alike in each tenant. `onPushed` is given what is posted to an agent's endpoint. */
export async function makeFleet(local: LocalJson, options: FleetOptions, endpoint: string): Promise<House[]> {
  const { hosts } = local;
  const houses: House[] = [];
  const perTenant = Math.ceil(options.agents / options.tenants);
  const pushedPerTenant = Math.round(perTenant * options.pushed);
  await inTurn(atOnce, Array.from({ length: options.tenants }).keys(), async (at) => {
    const host = hosts[at % hosts.length] ?? local.api;
    const { id, key } = await newTenant(local, { tier: perTenant > 500 ? 'enterprise' : 'premium' });
    houses[at] = { at, id, owner: new Caller(host, key), canary: `canary-${id}-end`, members: [] };
  });
  const places = houses.flatMap((house) => Array.from({ length: perTenant }, (_, number) => ({ house, number })));
  await inTurn(atOnce, places.slice(0, options.agents).values(), async ({ house, number }) => {
    const delivery = number < pushedPerTenant ? 'push' : 'pull';
    house.members[number] = await enlist(house, hosts[number % hosts.length] ?? local.api, `agent-${number}`, delivery, endpoint);
  });
  return houses;
}

async function enlist(house: House, host: string, agentId: string, delivery: Member['delivery'], endpoint: string): Promise<Member> {
  const environment = await house.owner.ask<Record<string, string>>('POST', `/tenants/${house.id}/agents/${agentId}/environment`);
  const caller = new Caller(host, environment['FLOWGRID_API_TOKEN']);
  const card = { ...cardOf(agentId, [{ id: sharedSkill }]), description: house.canary };
  const registered = await caller.ask<{ queue: { name: string }; signing: { keyId: string; key: string } }>(
    'POST',
    `/api/registry/agents/${agentId}/register`,
    { card, ttlSeconds: 3_600, delivery, ...(delivery === 'push' && { endpoint: `${endpoint}/${house.at}/${agentId}` }) },
  );
  const { keyId, key } = registered.signing;
  return { house, agentId, caller, delivery, queue: registered.queue.name, key: { keyId, key: Buffer.from(key, 'base64url') } };
}

/** Where pushed messages arrive: `/{house}/{agentId}`. `take` answers whether it was for that agent. */
export async function listenForPushes(
  take: (house: number, agentId: string, body: unknown) => boolean,
): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const [, house = '', agentId = ''] = (request.url ?? '').split('/');
    read(request).then(
      (body) => response.writeHead(take(Number(house), agentId, body) ? 200 : 410).end(),
      () => response.writeHead(400).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}
