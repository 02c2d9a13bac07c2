// Payloads too large for a message: stored apart, opened by an address for that one blob, by the recipient late, and by nobody else.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { verifyEnvelope } from '../../../shared/messaging/envelope.ts';
import { newTenant, type TestTenant } from '../../flowgrid.ts';
import { Asker, problemOf } from '../asker.ts';
import { settledTrail } from '../trail.ts';
import { type Mailbox, openMailbox, take } from './mailbox.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

interface Link {
  readonly url: string;
  readonly sha256: string;
  readonly size: number;
  readonly expiresAt: string;
}

let tenant: TestTenant;
let owner: Asker;
let reader: Mailbox;
let writer: Mailbox;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  [reader, writer] = await Promise.all([openMailbox(owner, tenant.id, 'reader'), openMailbox(owner, tenant.id, 'writer')]);
});

const most = 192 * 1_024;
const send = (payload: unknown, by = owner) =>
  by.ask<{ messageId: string }>('POST', '/api/messages', { json: { to: 'reader', from: 'writer', messageType: 'x', payload } });
const linkOf = (messageId: string, by: Asker) => by.ask<Link>('GET', `/api/messages/claims/${messageId}`);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

async function taken() {
  const [message] = await take(await reader.token(), 1);
  return message?.body;
}

describe('a payload above 192 KB', () => {
  test('arrives as a check that opens it, signed with the rest', async () => {
    const payload = { text: 'ä'.repeat(most / 2), list: [1, 2.5, null] };
    const text = JSON.stringify(payload);
    const { status, body } = await send(payload);
    expect(status).toBe(202);
    const envelope = await taken();
    const { url, sha256: digest, size } = envelope.payload.$claim;
    expect(envelope.payload).toEqual({ $claim: { url, sha256: sha256(text), size: Buffer.byteLength(text) } });
    expect([digest, size]).toEqual([sha256(text), Buffer.byteLength(text)]);
    expect(JSON.stringify(envelope).length).toBeLessThan(2_000);
    const expectation = { tenantId: tenant.id, recipient: 'reader', keys: [reader.key], now: Date.now() };
    expect(verifyEnvelope(envelope, expectation)).toEqual({ envelope });
    const forged = { ...envelope, payload: { $claim: { ...envelope.payload.$claim, url: 'https://elsewhere.example/' } } };
    expect(verifyEnvelope(forged, expectation)).toEqual({ refused: 'signature_invalid' });

    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, text]);
    const fresh = await linkOf(body.messageId, reader.asker.at(there));
    expect(fresh.status).toBe(200);
    expect(fresh.body).toEqual({ url: expect.any(String), sha256: digest, size, expiresAt: expect.stringMatching(/Z$/) });
    const left = Date.parse(fresh.body.expiresAt) - Date.now();
    expect(left).toBeGreaterThan(14 * 60_000 - 1_000);
    expect(left).toBeLessThanOrEqual(15 * 60_000);
    expect(await (await fetch(fresh.body.url)).text()).toBe(text);
  });

  test('is opened by an address that opens nothing else and writes nothing', async () => {
    const [one, two] = [await send('1'.repeat(most)), await send('2'.repeat(most))];
    const { url } = (await linkOf(one.body.messageId, reader.asker)).body;
    const turned = url.replace(one.body.messageId, two.body.messageId);
    expect(turned).not.toBe(url);
    expect((await fetch(turned)).status).toBe(403);
    const { origin, pathname, search } = new URL(url);
    expect((await fetch(`${origin}${pathname}`)).status).toBeGreaterThanOrEqual(401);
    const container = `${origin}${pathname.slice(0, pathname.indexOf('/claims/') + '/claims'.length)}`;
    expect((await fetch(`${container}${search}&restype=container&comp=list`)).status).toBe(403);
    const headers = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2021-12-02' };
    expect((await fetch(url, { method: 'PUT', headers, body: 'x' })).status).toBe(403);
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
    const longer = url.replace(/se=([^&]+)/, (_, until) => `se=${encodeURIComponent(decodeURIComponent(until).replace(/^\d{4}/, '2999'))}`);
    expect((await fetch(longer)).status).toBe(403);
    await take(await reader.token(), 2);
  });

  test('is for the recipient alone', async () => {
    const { body } = await send('x'.repeat(most));
    problemOf(await linkOf(body.messageId, writer.asker), 403, 'agent_mismatch');
    expect((await linkOf(body.messageId, owner)).status).toBe(200);
    const other = await newTenant(local);
    problemOf(await linkOf(body.messageId, new Asker(here, other.key)), 404, 'not_found');
    problemOf(await linkOf('00000000-0000-4000-8000-000000000000', reader.asker), 404, 'not_found');
    for (const id of ['A', 'a_b', 'a%2Fb']) problemOf(await linkOf(id, reader.asker), 400, 'validation_failed');
    await taken();
  });

  test('has no place for a small one, and one that looks like a check is refused', async () => {
    const { body } = await send('x'.repeat(most - 2));
    expect((await taken()).payload).toHaveLength(most - 2);
    problemOf(await linkOf(body.messageId, reader.asker), 404, 'not_found');
    for (const check of [{ $claim: { url: 'https://elsewhere.example/', sha256: sha256(''), size: 1 } }, { $claim: null, more: 1 }]) {
      const { errors } = problemOf(await send(check), 400, 'validation_failed');
      expect(errors?.map(({ pointer }) => pointer)).toEqual(['/payload/$claim']);
    }
    expect((await send({ deep: { $claim: 1 } })).status).toBe(202);
    expect((await taken()).payload).toEqual({ deep: { $claim: 1 } });
    problemOf(await send('x'.repeat(1_048_576)), 413, 'payload_too_large');
  });

  test('is nowhere in the ledger, nor is its address', async () => {
    const { body } = await send(`canary-${'x'.repeat(most)}`);
    const { url } = (await linkOf(body.messageId, reader.asker)).body;
    const events = (await settledTrail(owner, tenant.id)).filter(({ entity }) => entity.id === body.messageId);
    expect(events.map(({ action }) => action).sort()).toEqual(['message.claim_opened', 'message.sent']);
    expect(JSON.stringify(events)).not.toContain(new URL(url).searchParams.get('sig'));
    expect(JSON.stringify(events)).not.toContain('canary');
    await taken();
  });
});
