// Accepted messages a second through one host, each signed, on the broker's disk and in the ledger when it is answered. The floor is a no-op function (the
// health check) through the same host, asked by the same client in turns with it.
import { connect } from 'node:net';
import { newTenant } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const [connections, roundMs, rounds] = [32, 1_000, 7];
const agents = 8;

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ local }) => {
    const { owner, key } = await newTenant(local, { tier: 'enterprise' });
    const ids = Array.from({ length: agents }, (_, at) => `agent-${at}`);
    for (const id of ids) await owner.ask('POST', `/api/registry/agents/${id}/register`, { card: cardOf(id), ttlSeconds: 3_600 });
    const { host } = new URL(local.api);
    const noop = `GET /api/health HTTP/1.1\r\nhost: ${host}\r\n\r\n`;
    const send = (at: number): string => {
      const body = JSON.stringify({
        to: ids[at % agents],
        from: ids[(at + 1) % agents],
        messageType: 'bench',
        payload: { text: 'x'.repeat(256) },
      });
      return `POST /api/messages HTTP/1.1\r\nhost: ${host}\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    };
    const sends: number[] = [];
    const noops: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const [sent, answered] = [await load(local.api, send, 202), await load(local.api, () => noop, 200)];
      if (round === 0) continue; // It warms up.
      sends.push(sent);
      noops.push(answered);
    }
    const [value, floor] = [median(sends), median(noops)];
    const ratio = value / floor;
    return [{ name: 'messages/accepted', value, unit: 'messages/s', floor, ratio, goal: 0.5, holds: ratio >= 0.5 }];
  });
}

function cardOf(name: string): object {
  return {
    name,
    description: 'Takes part in a benchmark.',
    version: '1.0.0',
    supportedInterfaces: [{ url: 'https://agents.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: {},
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: [{ id: 'bench', name: 'bench', description: 'None.', tags: ['bench'] }],
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Answers a second over one round, by so many connections that each ask again as soon as they are answered. */
async function load(api: string, ask: (at: number) => string, status: number): Promise<number> {
  const started = performance.now();
  const counts = await Promise.all(Array.from({ length: connections }, (_, at) => askRepeatedly(api, ask(at), status, started + roundMs)));
  return (counts.reduce((sum, count) => sum + count, 0) * 1_000) / (performance.now() - started);
}

function askRepeatedly(api: string, ask: string, status: number, until: number): Promise<number> {
  const { hostname, port } = new URL(api);
  return new Promise((resolve, reject) => {
    let answered = 0;
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(ask));
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the host closed the connection')));
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (!isWhole(received)) return;
      if (!received.startsWith(`HTTP/1.1 ${status}`)) return void reject(new Error(received.slice(0, 400)));
      received = '';
      answered++;
      if (performance.now() < until) return void socket.write(ask);
      socket.removeAllListeners('close').end();
      resolve(answered);
    });
  });
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1];
  return length === undefined ? text.endsWith('\r\n0\r\n\r\n') : text.length >= end + 4 + Number(length);
}
