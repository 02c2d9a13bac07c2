// Accepted messages a second through one host, each signed, on the broker's disk and in the ledger when it is answered. The floor is a function that does nothing,
// sent the same requests through the same host, in turns with it: what is left is what sending costs.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { newTenant } from '../test/flowgrid.ts';
import type { Figure } from './figure.ts';
import { withFlowGrid } from './with-flowgrid.ts';

const [connections, roundMs, rounds] = [32, 1_000, 9];
const agents = 4;

export function bench(): Promise<Figure[]> {
  return withFlowGrid(async ({ local, settings }) => {
    const { owner, key } = await newTenant(local, { tier: 'enterprise' });
    const ids = Array.from({ length: agents }, (_, at) => `agent-${at}`);
    for (const id of ids) await owner.ask('POST', `/api/registry/agents/${id}/register`, { card: cardOf(id), ttlSeconds: 3_600 });
    const requestTo = (path: string) => (at: number) => {
      const [to, from] = [ids[at % agents], ids[(at + 1) % agents]];
      const body = JSON.stringify({ to, from, messageType: 'bench', payload: { text: 'x'.repeat(256) } });
      const headers = [
        `host: ${new URL(local.api).host}`,
        `x-api-key: ${key}`,
        'content-type: application/json',
        `content-length: ${body.length}`,
      ];
      return `POST ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`;
    };
    const host = await startHost(settings);
    try {
      const sends: number[] = [];
      const noops: number[] = [];
      for (let round = 0; round <= rounds; round++) {
        const sent = await load(host.port, requestTo('/api/messages'));
        const answered = await load(host.port, requestTo('/bench/noop'));
        if (round === 0) continue; // It warms up.
        sends.push(sent);
        noops.push(answered);
      }
      const [value, floor] = [median(sends), median(noops)];
      const ratio = value / floor;
      return [{ name: 'messages/accepted', value, unit: 'messages/s', floor, ratio, goal: 0.5, holds: ratio >= 0.5 }];
    } finally {
      host.child.kill();
    }
  });
}

/** A host of its own, beside the one that was started with the twin. */
async function startHost(settings: Readonly<Record<string, string>>): Promise<{ port: number; child: ChildProcess }> {
  const child = fork(new URL('messages-host.ts', import.meta.url), [], { env: { ...process.env, ...settings } });
  const [port] = await once(child, 'message', { signal: AbortSignal.timeout(20_000) });
  return { port: Number(port), child };
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
async function load(port: number, ask: (at: number) => string): Promise<number> {
  const started = performance.now();
  const counts = await Promise.all(Array.from({ length: connections }, (_, at) => askRepeatedly(port, ask(at), started + roundMs)));
  return (counts.reduce((sum, count) => sum + count, 0) * 1_000) / (performance.now() - started);
}

function askRepeatedly(port: number, ask: string, until: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let answered = 0;
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(ask));
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the host closed the connection')));
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (!isWhole(received)) return;
      if (!received.startsWith('HTTP/1.1 202')) return void reject(new Error(received.slice(0, 400)));
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
