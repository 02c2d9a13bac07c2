// The audit sink: each event as one line, in a file or over syslog; what cannot be sent is counted, and nobody waits.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openAuditSink } from '../../../shared/telemetry/audit-sink.ts';

const event = (id: number) => ({
  at: '2026-01-01T00:00:00.000Z',
  tenantId: 'acme',
  action: 'key.created',
  outcome: 'success',
  id: `lane:${id}`,
});
const rfc5424 = /^<(\d+)>1 2026-01-01T00:00:00\.000Z \S+ flowgrid \d+ key\.created - (\{.*\})$/s;

afterEach(() => vi.restoreAllMocks());

describe('a sink', () => {
  it('is none without a setting', () => expect(openAuditSink(undefined)).toBeUndefined());

  it('appends lines to a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flowgrid-sink-'));
    const file = join(folder, 'audit.ndjson');
    for (const id of [1, 2]) {
      const sink = openAuditSink(`file:${file}`);
      sink?.take([event(id)]);
      sink?.take([event(id + 10)]);
      await sink?.close();
    }
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(['lane:1', 'lane:11', 'lane:2', 'lane:12']);
    rmSync(folder, { recursive: true });
  });

  it('sends syslog over UDP', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const sink = openAuditSink(`syslog://127.0.0.1:${socket.address().port}`);
    sink?.take([event(1)]);
    const [message] = await once(socket, 'message');
    const [, priority, json = ''] = rfc5424.exec(String(message)) ?? [];
    expect(priority).toBe('109');
    expect(JSON.parse(json)).toEqual(event(1));
    await sink?.close();
    socket.close();
  });

  it('sends syslog over TCP, each message with its length', async () => {
    const received = Promise.withResolvers<string>();
    const server = createServer((socket) => {
      let text = '';
      socket.on('data', (part) => {
        text += part;
        if (text.includes('lane:2')) received.resolve(text);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    // It listens on a port.
    const { port } = server.address() as AddressInfo;
    const sink = openAuditSink(`syslog+tcp://127.0.0.1:${port}`);
    sink?.take([event(1), event(2)]);
    let rest = await received.promise;
    for (const id of [1, 2]) {
      const [head = '', length = ''] = /^(\d+) /.exec(rest) ?? [];
      const message = rest.slice(head.length, head.length + Number(length));
      expect(JSON.parse(rfc5424.exec(message)?.[2] ?? '')).toEqual(event(id));
      rest = rest.slice(head.length + Number(length));
    }
    await sink?.close();
    server.close();
  });

  it('loses what does not fit while nobody listens, and says how much', async () => {
    const said: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
    const sink = openAuditSink('syslog+tcp://127.0.0.1:1');
    for (let round = 0; round < 11; round++) sink?.take(Array.from({ length: 1_000 }, (_, id) => event(id)));
    const [line = '{}'] = said;
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      tenantId: 'platform',
      message: 'audit events did not reach their sink',
      lost: 1_000,
    });
    await sink?.close();
  });
});
