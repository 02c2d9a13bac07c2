// Rotation of messaging keys: the next is known before it signs, the one before opens what it signed, and nobody is without a key in between.
import { ServiceBusClient } from '@azure/service-bus';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import type { VerificationKey } from '../../../shared/messaging/signature.ts';
import { SigningKeys, SigningSecrets } from '../../../shared/messaging/signing-keys.ts';
import { TenantId } from '../../../shared/scope/ids.ts';
import { CandidateScope, TenantScope } from '../../../shared/scope/maker.ts';
import { Cosmos } from '../../../shared/storage/cosmos.ts';
import { replace } from '../../../shared/storage/documents.ts';
import { Epoch } from '../../../shared/storage/epoch.ts';
import { TenantStore } from '../../../shared/storage/tenant-store.ts';
import { Vault } from '../../../shared/vault/vault.ts';
import { cardOf, newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { configOf } from '../audit/ledger.ts';
import { settledTrail } from '../trail.ts';
import { openMailbox, take } from './mailbox.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;
const dayMs = 86_400_000;

interface State {
  readonly keyId: string;
  readonly signsFrom: string;
  readonly previous?: { readonly keyId: string; readonly verifiesUntil: string };
}

interface ShownKey {
  readonly keyId: string;
  readonly key?: string;
}

interface Signing extends ShownKey {
  readonly algorithm: string;
  readonly previous?: ShownKey & { readonly verifiesUntil: string };
  readonly next?: ShownKey & { readonly signsFrom: string };
}

let tenant: TestTenant;
let owner: Asker;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
});

const path = (of: TestTenant) => `/tenants/${of.id}/messaging/rotate`;
const signingOf = async (agent: Asker, agentId: string) =>
  (await agent.post<{ signing: Signing }>(`/api/registry/agents/${agentId}/register`, { card: cardOf(agentId), ttlSeconds: 600 })).signing;
const keyOf = ({ keyId, key = '' }: ShownKey): VerificationKey => ({ keyId, key: Buffer.from(key, 'base64url') });

/** The keys as an instance of its own sees them. */
function instance(): SigningKeys {
  const config = configOf(local);
  const cosmos = new Cosmos(config);
  return new SigningKeys(new TenantStore(cosmos, new Epoch(cosmos)), new Vault(config));
}

describe('messaging keys', () => {
  test('there is one in the beginning', async () => {
    expect(await owner.get<State>(path(tenant))).toEqual({ keyId: 'k1', signsFrom: expect.stringMatching(/Z$/) });
    problemOf(await new Asker(there, tenant.key).ask('POST', path(tenant), { json: { overlapSeconds: -1 } }), 400, 'validation_failed');
    problemOf(await owner.ask('POST', path(tenant), { json: { overlapSeconds: 86_401 } }), 400, 'validation_failed');
  });

  test('one follows another: known first, then signing, and what the old one signed is opened still', async () => {
    const reader = await openMailbox(owner, tenant.id, 'reader');
    const send = async (by: Asker) => {
      const { messageId } = await by.post<{ messageId: string }>('/api/messages', {
        to: 'reader',
        from: 'reader',
        messageType: 'x',
        payload: 1,
      });
      return messageId;
    };
    await send(owner);
    const before = Date.now();
    const { status, body: state } = await owner.ask<State>('POST', path(tenant), { json: { overlapSeconds: 4 } });
    expect(status).toBe(200);
    expect(state).toEqual({
      keyId: 'k2',
      signsFrom: expect.stringMatching(/Z$/),
      previous: { keyId: 'k1', verifiesUntil: expect.stringMatching(/Z$/) },
    });
    const starts = Date.parse(state.signsFrom);
    expect(starts - before).toBeGreaterThanOrEqual(4_000);
    expect(Date.parse(state.previous?.verifiesUntil ?? '') - starts).toBeGreaterThan(dayMs);
    await until('the other host shows it', async () => (await owner.at(there).get<State>(path(tenant))).keyId === 'k2');

    const overlapping = await signingOf(reader.asker, 'reader');
    expect(overlapping).toMatchObject({
      keyId: 'k1',
      next: { keyId: 'k2', key: expect.stringMatching(/^[\w-]{43}$/), signsFrom: state.signsFrom },
    });
    expect(overlapping.previous).toBeUndefined();
    // The keys are for the agent itself.
    expect(await signingOf(owner, 'reader')).toEqual({
      keyId: 'k1',
      algorithm: 'HMAC-SHA256',
      next: { keyId: 'k2', signsFrom: state.signsFrom },
    });
    problemOf(await owner.ask('POST', path(tenant)), 409, 'rotation_in_progress');

    await until('the new key signs', async () => (await signingOf(reader.asker.at(there), 'reader')).keyId === 'k2');
    const after = await signingOf(reader.asker, 'reader');
    expect(after).toMatchObject({ keyId: 'k2', previous: { keyId: 'k1', ...state.previous } });
    const environment = await owner.post<Record<string, string>>(`/tenants/${tenant.id}/agents/reader/environment`);
    expect(environment['FLOWGRID_TENANT_SECRET']).toBe(`k2.${after.key}`);
    await send(owner);
    await send(owner.at(there));

    const agent = new Asker(here, environment['FLOWGRID_API_TOKEN']);
    const token = await agent.post<Awaited<ReturnType<typeof reader.token>>>('/api/messaging/token', { queue: reader.queue });
    const taken = (await take(token, 3)).map(({ body }) => body);
    expect(taken.map(({ signature }) => signature.split('.')[1])).toEqual(['k1', 'k2', 'k2']);
    const keys = [keyOf(after), keyOf(after.previous ?? after)];
    for (const body of taken) {
      const expectation = { tenantId: tenant.id, recipient: 'reader', keys, now: Date.now() };
      expect(verifyEnvelope(body, expectation)).toEqual({ envelope: body });
    }
    problemOf(await owner.ask('POST', path(tenant)), 409, 'rotation_in_progress');
  });

  test('verify for who only claims the tenant, and are the same everywhere', async () => {
    const id = TenantId.parse(tenant.id);
    const [mine, others] = [instance(), instance()];
    const keys = await mine.inForce(new CandidateScope(id), 'reader');
    expect(keys.map(({ keyId }) => keyId).sort()).toEqual(['k1', 'k2']);
    expect(await others.inForce(new TenantScope(id, 'identity'), 'reader')).toEqual(keys);
    expect(await others.idsOf(new CandidateScope(id))).toEqual(['k1', 'k2']);
    const { signing } = await owner.post<{ signing: unknown }>('/api/registry/agents/reader/heartbeat');
    expect(signing).toEqual({ keyIds: ['k1', 'k2'] });
    expect(keys).toContainEqual(await mine.of(new TenantScope(id, 'identity'), 'reader'));
    expect(await mine.inForce(new CandidateScope(id), 'writer')).not.toEqual(keys);
    expect(await mine.inForce(new CandidateScope(TenantId.parse('nobody')), 'reader')).toEqual([]);
  });

  test('of many rotations at once on two hosts, one is made, and its event stands in the ledger', async () => {
    const other = await newTenant(local);
    const askers = [new Asker(here, other.key), new Asker(there, other.key)];
    const answers = await Promise.all([...askers, ...askers].map((asker) => asker.ask('POST', path(other))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    const events = (await settledTrail(new Asker(here, other.key), other.id)).filter(
      ({ action, outcome }) => action === 'messaging_key.rotated' && outcome === 'success',
    );
    expect(events).toMatchObject([{ entity: { type: 'messaging_key', id: 'k2' }, old: { keyId: 'k1' }, new: { keyId: 'k2' } }]);
  });

  test('one whose time is over opens nothing, and its secret is out of use with the next rotation', async () => {
    const scope = new TenantScope(TenantId.parse(tenant.id), 'identity');
    const config = configOf(local);
    const cosmos = new Cosmos(config);
    const partition = new TenantStore(cosmos, new Epoch(cosmos)).of(scope);
    const vault = new Vault(config);
    const first = await partition.read(SigningSecrets, 'k1');
    if (!first) throw new Error('there is no first key');
    expect(await vault.readSigningSecret(scope, 'k1', first.body.version)).toMatch(/^[\w-]{43}$/);
    const over = new Date(Date.now() - 1_000).toISOString();
    await partition.commit([replace(SigningSecrets, first, { ...first.body, verifiesUntil: over })]);

    expect((await instance().inForce(scope, 'reader')).map(({ keyId }) => keyId)).toEqual(['k2']);
    expect(await owner.get<State>(path(tenant))).toMatchObject({ keyId: 'k2' });
    expect(await owner.post<State>(path(tenant))).toMatchObject({ keyId: 'k3', previous: { keyId: 'k2' } });
    expect(await partition.read(SigningSecrets, 'k1')).toBeUndefined();
    await expect(vault.readSigningSecret(scope, 'k1', first.body.version)).rejects.toMatchObject({ statusCode: 403 });
    expect((await settledTrail(owner, tenant.id)).map(({ action }) => action)).toContain('messaging_key.retired');
  });

  test('and without one, when the alarm set for it goes', async () => {
    const scope = new TenantScope(TenantId.parse(tenant.id), 'identity');
    const config = configOf(local);
    const cosmos = new Cosmos(config);
    const partition = new TenantStore(cosmos, new Epoch(cosmos)).of(scope);
    await using stack = new AsyncDisposableStack();
    const client = stack.adopt(new ServiceBusClient(local.serviceBus.connectionString), (each) => each.close());
    const second = await partition.read(SigningSecrets, 'k2');
    if (!second) throw new Error('there is no second key');
    await partition.commit([replace(SigningSecrets, second, { ...second.body, verifiesUntil: new Date().toISOString() })]);
    const body = { kind: 'messaging-keys', tenantId: tenant.id };
    await client.createSender('platform-provision').sendMessages({ body, contentType: 'application/json' });
    await until('the secret is retired', async () => (await partition.read(SigningSecrets, 'k2')) === undefined);
    expect(await owner.get<State>(path(tenant))).toEqual({ keyId: 'k3', signsFrom: expect.any(String) });
  });
});
