// What the local Functions host costs: requests a second of a no-op HTTP function through the host, buffered and streamed, each beside a bare
// Node server that drives the same function through the same library in buffered mode. Rounds are interleaved, figures are medians.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figure } from './figure.ts';

const kinds = ['bare', 'buffered', 'streamed'] as const;
type Kind = (typeof kinds)[number];
const [connections, roundMs, rounds] = [32, 1_000, 7];

export async function bench(): Promise<Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'flowgrid-bench-'));
  const children: ChildProcess[] = [];
  try {
    await writeFile(join(root, 'host.json'), JSON.stringify({ version: '2.0', extensions: { http: { routePrefix: '' } } }));
    const ports = new Map<Kind, number>();
    for (const kind of kinds) {
      const child = fork(new URL('functions-host-server.ts', import.meta.url), [kind, root]);
      children.push(child);
      const [port] = await once(child, 'message', { signal: AbortSignal.timeout(20_000) });
      ports.set(kind, Number(port));
    }
    const rates: Record<Kind, number[]> = { bare: [], buffered: [], streamed: [] };
    for (let round = 0; round <= rounds; round++) {
      for (const kind of kinds) {
        const rate = await load(ports.get(kind) ?? 0);
        if (round > 0) rates[kind].push(rate); // the first one warms up
      }
    }
    const floor = median(rates.bare);
    return [
      figure('functions-host/buffered', median(rates.buffered), floor, 0.8),
      figure('functions-host/streamed', median(rates.streamed), floor, 0.45),
    ];
  } finally {
    for (const child of children) child.kill();
    await rm(root, { recursive: true, force: true });
  }
}

function figure(name: string, value: number, floor: number, goal: number): Figure {
  const ratio = value / floor;
  return {
    name,
    value: Math.round(value),
    unit: 'requests/s',
    floor: Math.round(floor),
    ratio: Math.round(ratio * 1_000) / 1_000,
    goal,
    holds: ratio >= goal,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Requests a second over one round, by so many connections that each ask again as soon as they are answered. */
async function load(port: number): Promise<number> {
  const started = performance.now();
  const counts = await Promise.all(Array.from({ length: connections }, () => askRepeatedly(port, started + roundMs)));
  return (counts.reduce((sum, count) => sum + count, 0) * 1_000) / (performance.now() - started);
}

function askRepeatedly(port: number, until: number): Promise<number> {
  const ask = `GET /noop/5 HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\naccept: */*\r\nuser-agent: bench\r\n\r\n`;
  return new Promise((resolve, reject) => {
    let answered = 0;
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(ask));
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed the connection')));
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (!/\r\n\r\n(2\r\nok\r\n0\r\n\r\n|ok)$/.test(received)) return;
      if (!received.startsWith('HTTP/1.1 200')) return socket.destroy(new Error(received));
      received = '';
      answered++;
      if (performance.now() < until) return socket.write(ask);
      socket.removeAllListeners('close').destroy();
      return resolve(answered);
    });
  });
}
