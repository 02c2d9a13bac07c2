// Messages that the control plane drains and pushes, under everything that breaks: dispatchers and the broker killed with -9, connections dropped, locks lost, the
// store refusing, endpoints failing. No accepted message is lost, and none takes effect twice with an endpoint that is idempotent by its message id.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { Caller } from '../../../local/demo/caller.ts';
import { verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import type { VerificationKey } from '../../../shared/messaging/signature.ts';
import { cardOf, until } from '../../flowgrid.ts';
import { Breakable, type Breakage } from './breakable.ts';
import { eventIdOf, isUsage } from './content.ts';
import { Endpoint } from './endpoint.ts';

const leastAccepted = 1_000;
const Content = z.object({ number: z.int().optional(), $claim: z.object({ url: z.url() }).optional() });

let broken: Breakable;
const endpoint = new Endpoint();
beforeAll(async () => {
  broken = await Breakable.start();
});
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(broken.flowGrid.output.slice(-4_000));
});
afterAll(async () => {
  endpoint.close();
  await broken?.end();
});

/** Registers with the agent's own key and answers what opens its messages. */
async function enlist(agentId: string, order: object): Promise<VerificationKey> {
  const { tenant, flowGrid } = broken;
  const environment = await tenant.owner.ask<Record<string, string>>('POST', `/tenants/${tenant.id}/agents/${agentId}/environment`);
  const agent = new Caller(flowGrid.local.api, environment['FLOWGRID_API_TOKEN']);
  const { signing } = await agent.ask<{ signing: { keyId: string; key: string } }>('POST', `/api/registry/agents/${agentId}/register`, {
    card: cardOf(agentId),
    delivery: 'push',
    ttlSeconds: 3_600,
    ...order,
  });
  return { keyId: signing.keyId, key: Buffer.from(signing.key, 'base64url') };
}

/** Message ids by the ids of the events they told of. */
async function usageInLedger(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let cursor = ''; ; ) {
    const page = await broken.tenant.owner.ask<{ items: { new: { eventId: string; messageId: string } }[]; nextCursor: string | null }>(
      'GET',
      `/tenants/${broken.tenant.id}/audit?action=usage.reported&limit=200${cursor}`,
    );
    for (const { new: told } of page.items) found.set(told.eventId, told.messageId);
    if (page.nextCursor === null) return found;
    cursor = `&cursor=${page.nextCursor}`;
  }
}

/** Read from where it is kept, if it travelled as a claim. */
async function numberIn(payload: unknown): Promise<number> {
  const { number, $claim } = Content.parse(payload);
  if (!$claim) return number ?? Number.NaN;
  return numberIn(await (await fetch($claim.url)).json());
}

test('no accepted message is lost and none takes effect twice', async () => {
  const { tenant } = broken;
  const at = await endpoint.open();
  /** By recipient as senders name it: the agent that is posted to, and its key. */
  const keys = new Map<string, [agentId: string, VerificationKey]>([
    ['shared', ['shared', await enlist('shared', { endpoint: at('shared') })]],
    ['dedicated', ['dedicated', await enlist('dedicated', { endpoint: at('dedicated'), dedicatedQueue: true })]],
    ['orchestrator', ['chief', await enlist('chief', { endpoint: at('chief'), metadata: { orchestrator: true } })]],
  ]);
  await broken.shortenLocks([...['agents', 'orchestrator', 'dedicated'].map((name) => `${tenant.id}-${name}`), 'platform-dispatch']);

  const recipients = [...keys.keys()];
  const writing = broken.startWriters('shared', recipients);

  const faults = (service: 'serviceBus' | 'cosmos', match: string, rate: number, effect: string): Breakage => {
    return () => broken.setFaults([{ service, match, rate, effect }]);
  };
  endpoint.trouble = 0.1;
  await broken.breakEverything(
    [
      () => broken.kill9('host-0'),
      faults('serviceBus', '^(send|receive|complete|defer|schedule)', 0.02, 'drop'),
      () => broken.kill9('twin'),
      faults('serviceBus', '^complete', 0.1, 'lockLost'),
      async () => writing[0]?.kill9(),
      faults('cosmos', '', 0.05, '500'),
      () => broken.kill9('host-1'),
      faults('serviceBus', '^(send|receive|complete|attach|schedule)', 0.05, '500'),
      () => broken.kill9('host-0', 'host-1'),
    ],
    leastAccepted,
  );
  await Promise.all(writing.map((each) => each.end(0)));
  endpoint.trouble = 0;

  const accepted = broken.accepted();
  const toOf = (number: number) => recipients[number % recipients.length] ?? '';
  const missing = () =>
    [...accepted].filter(([number, messageId]) => {
      if (isUsage(number, toOf(number))) return false;
      const [agentId] = keys.get(toOf(number)) ?? [''];
      return !endpoint.effectsOf(agentId).has(messageId);
    });
  // As long as the sweep needs to come round, and a retry that was asked for under the faults.
  await until('what was accepted has taken effect', async () => missing().length === 0, 120_000).catch(() => undefined);
  expect(missing()).toEqual([]);

  // Told of at least once, and once for whoever counts an eventId once.
  const reported = [...accepted.keys()].filter((number) => isUsage(number, toOf(number))).map(eventIdOf);
  expect(reported.length).toBeGreaterThan(10);
  const unreported = async () => {
    const told = await usageInLedger();
    return reported.filter((eventId) => !told.has(eventId));
  };
  await until('every accepted report of usage is in the ledger', async () => (await unreported()).length === 0, 60_000).catch(
    () => undefined,
  );
  expect(await unreported()).toEqual([]);

  const numbers = new Map<number, string>();
  for (const [agentId, key] of keys.values()) {
    for (const [messageId, envelope] of endpoint.effectsOf(agentId)) {
      expect(verifyEnvelope(envelope, { tenantId: tenant.id, recipient: agentId, keys: [key], now: Date.now() })).toHaveProperty(
        'envelope',
      );
      const number = await numberIn(envelope.payload);
      expect(numbers.get(number) ?? messageId).toBe(messageId);
      numbers.set(number, messageId);
    }
  }
  expect(endpoint.deliveries).toBeGreaterThanOrEqual(numbers.size);
  // A send whose answer was lost may have put a message on its queue twice; the second is refused and told of, and nothing else is.
  const taken = new Set([...numbers.values(), ...(await usageInLedger()).values()]);
  for (const { messageId, reason } of await broken.deadLetters()) {
    expect(reason).toBe('replayed');
    expect(taken).toContain(messageId);
  }
}, 400_000);
