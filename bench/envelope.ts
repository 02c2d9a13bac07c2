// What verifying an envelope of 1 KB costs, from its JSON to the verdict, beside reading that JSON and one HMAC over it. In time of one core: what else
// runs on the machine does not count.
import { createHmac, createSecretKey } from 'node:crypto';
import { verifyEnvelope } from '../shared/messaging/envelope.ts';
import { deriveKey, sign } from '../shared/messaging/signature.ts';
import type { Figure } from './figure.ts';

const [rounds, perRound, goal] = [40, 5_000, 40_000];

export async function bench(): Promise<Figure[]> {
  const key = deriveKey(Buffer.alloc(32, 7), 'acme', 'knowledge-agent', 'k1');
  const other = deriveKey(Buffer.alloc(32, 7), 'acme', 'knowledge-agent', 'k2');
  const now = Date.now();
  const unsigned = {
    messageId: '0b7e6a52-9d4b-4b0e-8f7a-0d6f5b8f6c11',
    tenantId: 'acme',
    agentId: 'incident-agent',
    to: 'knowledge-agent',
    messageType: 'knowledge.search',
    payload: {
      query: 'Why does the checkout answer 502 after a deployment?',
      limit: 5,
      minScore: 0.35,
      filters: { service: ['checkout', 'payments'], severity: 2, open: true },
      context: Array.from({ length: 7 }, (_, at) => ({ at: 1_700_000_000 + at, line: `upstream timed out while reading header (${at})` })),
    },
    timestamp: new Date(now).toISOString(),
    correlationId: '5a0c7b1e-50c7-4f0e-9a53-7d3c34a1d9aa',
  };
  const text = JSON.stringify({ ...unsigned, signature: sign(unsigned, key) });
  if (Math.abs(text.length - 1_024) > 100) throw new Error(`the envelope has ${text.length} bytes`);
  const expectation = { tenantId: 'acme', recipient: 'knowledge-agent', keys: [other, key], now };
  const prepared = createSecretKey(key.key);

  const verified = () => 'envelope' in verifyEnvelope(JSON.parse(text), expectation);
  const bare = () => JSON.parse(text) !== createHmac('sha256', prepared).update(text).digest('base64url');
  const [verifying, parsing]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    verifying.push(perSecond(verified));
    parsing.push(perSecond(bare));
  }
  // The first half warms up.
  const [value, floor] = [median(verifying.slice(rounds / 2)), median(parsing.slice(rounds / 2))];
  return [{ name: 'envelope/verify', value, unit: 'a second', floor, ratio: value / floor, goal, holds: value >= goal }];
}

function perSecond(work: () => boolean): number {
  const before = process.threadCpuUsage();
  for (let count = 0; count < perRound; count++) if (!work()) throw new Error('an envelope was refused');
  const { user, system } = process.threadCpuUsage(before);
  return (perRound / (user + system)) * 1_000_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
