// Point reads from the local Cosmos server over raw pre-signed requests, beside a bare `node:http` server that only sends the same answer.
import { type ChildProcess, fork } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCosmos } from '../local/cosmos/start.ts';
import { Faults } from '../local/faults.ts';
import type { Figure } from './figure.ts';

const key = Buffer.alloc(64, 'flowgrid').toString('base64');
const connections = 16;
const rounds = 21;
const roundMs = 200;
const goal = 0.4;

export async function bench(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-bench-'));
  const children: ChildProcess[] = [];
  try {
    const twin = await serverIn(children, 'twin', folder);
    const request = await prepare(twin);
    const bare = await serverIn(children, 'bare', await answerTo(twin, request));
    const reads: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const floor = await load(bare, request);
      const value = await load(twin, request);
      if (round === 0) continue; // It warms up.
      floors.push(floor);
      reads.push(value);
    }
    const ratio = Math.round(1_000 * median(reads.map((value, round) => value / (floors[round] ?? Number.NaN)))) / 1_000;
    const [value, floor] = [reads, floors].map((rates) => Math.round(median(rates)));
    if (value === undefined || floor === undefined) throw new Error('two medians');
    return [{ name: 'cosmos/point-read', value, unit: 'requests/s', floor, ratio, goal, holds: ratio >= goal }];
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

async function serverIn(children: ChildProcess[], kind: 'twin' | 'bare', argument: string): Promise<number> {
  const child = fork(import.meta.filename, [kind, argument]);
  children.push(child);
  const [port] = await once(child, 'message');
  return Number(port);
}

/** Stores an item and gives the text of a request that reads it. */
async function prepare(port: number): Promise<string> {
  const post = async (type: string, link: string, body: object, headers: Record<string, string> = {}) => {
    const sent = { ...sign('post', type, link), ...headers };
    const response = await fetch(`http://127.0.0.1:${port}/${link}/${type}`, { method: 'POST', body: JSON.stringify(body), headers: sent });
    if (!response.ok) throw new Error(await response.text());
  };
  await post('dbs', '', { id: 'bench' });
  await post('colls', 'dbs/bench', { id: 'items', partitionKey: { paths: ['/tenantId'], kind: 'Hash' } });
  const partition = { 'x-ms-documentdb-partitionkey': '["acme"]' };
  await post('docs', 'dbs/bench/colls/items', { id: 'one', tenantId: 'acme', text: 'x'.repeat(700) }, partition);
  const link = 'dbs/bench/colls/items/docs/one';
  const headers = Object.entries({ host: 'twin', ...sign('get', 'docs', link), ...partition });
  return `GET /${link} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

function sign(verb: string, type: string, link: string): Record<string, string> {
  const date = new Date().toUTCString();
  const text = `${verb}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  return { authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`), 'x-ms-date': date };
}

/**
 * Requests a second, each connection sending its next when its last is answered; all answers to one request are equally long. The load never
 * sleeps: else the slower server would also pay for waking it.
 */
async function load(port: number, request: string): Promise<number> {
  const { length } = await answerTo(port, request);
  let answers = 0;
  let isOver = false;
  const spin = () => isOver || setImmediate(spin);
  spin();
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  const start = performance.now();
  for (const socket of sockets) {
    let pending = length;
    socket.on('data', (chunk) => {
      pending -= chunk.length;
      if (pending > 0) return;
      pending = length;
      answers += 1;
      if (performance.now() - start < roundMs) socket.write(request);
      else socket.end();
    });
    socket.write(request);
  }
  await Promise.all(sockets.map((socket) => once(socket, 'close')));
  isOver = true;
  return (answers * 1_000) / (performance.now() - start);
}

/** All of the answer, which is ASCII. */
async function answerTo(port: number, request: string): Promise<string> {
  const socket = await open(port);
  socket.write(request);
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    const [head = '', body] = text.split('\r\n\r\n');
    if (body?.length === Number(/content-length: (\d+)/i.exec(head)?.[1])) break;
  }
  if (!text.startsWith('HTTP/1.1 200')) throw new Error(text);
  return text;
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** The servers under load, each a process of its own: `twin <folder>` and `bare <answer>`. */
async function serve(kind: string, argument: string): Promise<number> {
  if (kind === 'twin') {
    const { port } = await startCosmos({ folder: argument, port: 0, durable: true, faults: new Faults(), key });
    return port;
  }
  const [head = '', body = ''] = argument.split('\r\n\r\n');
  const headers = head
    .split('\r\n')
    .slice(1)
    .filter((line) => !/^(date|connection|keep-alive):/i.test(line))
    .flatMap((line) => line.split(': '));
  const server = createServer((_, response) => {
    response.writeHead(200, headers).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const [, file, kind, argument] = process.argv;
if (file === import.meta.filename && kind && argument && process.send) process.send(await serve(kind, argument));
