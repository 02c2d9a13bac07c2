// Point reads from the local Cosmos server over raw pre-signed requests, beside a bare `node:http` server that sends as many bytes.
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
const database = 'bench';
const container = 'items';
const item = 'one';
const partition = '["acme"]';
const connections = 16;
const rounds = 5;
const roundMs = 1_000;
const goal = 0.4;

export async function bench(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-bench-'));
  const children: ChildProcess[] = [];
  try {
    const twin = await serverIn(children, 'twin', folder);
    const read = await prepare(twin);
    const size = Buffer.byteLength(await (await fetch(read.url, { headers: read.headers })).text());
    const bare = await serverIn(children, 'bare', String(size));
    const reads: number[] = [];
    const echoes: number[] = [];
    for (let round = 0; round < rounds; round++) {
      echoes.push(await load(bare, requestText(bare, '/', {})));
      reads.push(await load(twin, requestText(twin, new URL(read.url).pathname, read.headers)));
    }
    const [value, floor] = [median(reads), median(echoes)];
    const ratio = value / floor;
    return [
      { name: 'cosmos point read', value: Math.round(value), unit: '1/s', floor: Math.round(floor), ratio, goal, holds: ratio >= goal },
    ];
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

async function prepare(port: number): Promise<{ url: string; headers: Record<string, string> }> {
  const post = async (path: string, type: string, link: string, body: object, headers: Record<string, string> = {}) => {
    const sent = { ...sign('post', type, link), ...headers };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', body: JSON.stringify(body), headers: sent });
    if (!response.ok) throw new Error(await response.text());
  };
  const [inDatabase, inContainer] = [`dbs/${database}`, `dbs/${database}/colls/${container}`];
  await post('/dbs', 'dbs', '', { id: database });
  await post(`/${inDatabase}/colls`, 'colls', inDatabase, { id: container, partitionKey: { paths: ['/tenantId'], kind: 'Hash' } });
  const body = { id: item, tenantId: 'acme', text: 'x'.repeat(700) };
  await post(`/${inContainer}/docs`, 'docs', inContainer, body, { 'x-ms-documentdb-partitionkey': partition });
  const link = `${inContainer}/docs/${item}`;
  return { url: `http://127.0.0.1:${port}/${link}`, headers: { ...sign('get', 'docs', link), 'x-ms-documentdb-partitionkey': partition } };
}

function sign(verb: string, type: string, link: string): Record<string, string> {
  const date = new Date().toUTCString();
  const text = `${verb}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  return { authorization: encodeURIComponent(`type=master&ver=1.0&sig=${signature}`), 'x-ms-date': date };
}

function requestText(port: number, path: string, headers: Record<string, string>): string {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Requests a second, each connection sending its next when its last is answered. All answers to one request are equally long. */
async function load(port: number, request: string): Promise<number> {
  const length = await answerLength(port, request);
  let answers = 0;
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
  return (answers * 1_000) / (performance.now() - start);
}

async function answerLength(port: number, request: string): Promise<number> {
  const socket = await open(port);
  socket.write(request);
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    const head = text.indexOf('\r\n\r\n');
    const length = /content-length: (\d+)/i.exec(text)?.[1];
    if (head < 0 || text.length < head + 4 + Number(length)) continue;
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(text);
    break;
  }
  return Buffer.byteLength(text);
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** The servers under load, each a process of its own: `twin <folder>` and `bare <bytes>`. */
async function serve(kind: string, argument: string): Promise<number> {
  if (kind === 'twin') {
    const { port } = await startCosmos({ folder: argument, port: 0, durable: true, faults: new Faults(), key });
    return port;
  }
  const body = 'x'.repeat(Number(argument));
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const [, file, kind, argument] = process.argv;
if (file === import.meta.filename && kind && argument && process.send) process.send(await serve(kind, argument));
