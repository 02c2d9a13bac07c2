// HTTP streaming: bodies pass both ways as they come, and an end on either side is felt on the other.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostProcess, startHost } from './host-process.ts';
import { exchange, openSocket } from './raw-http.ts';

describe('streaming', () => {
  let host: HostProcess;
  beforeAll(async () => {
    host = await startHost('streams');
  });
  afterAll(() => host.stop(0));

  it('delivers each event when it is sent, not when the response is done', async () => {
    const { body } = await fetch(`${host.url}/api/events`);
    const text = body?.pipeThrough(new TextDecoderStream()).getReader();
    for (const id of [1, 2, 3]) {
      expect((await text?.read())?.value).toBe(`data: ${id}\n\n`);
      await fetch(`${host.url}/api/next`, { method: 'POST' });
    }
    expect((await text?.read())?.done).toBe(true);
    await host.line(({ message }) => message === 'events ended');
  });

  it('hands over a request body while it is still being sent', async () => {
    const socket = await openSocket(host.port);
    socket
      .setEncoding('latin1')
      .write('POST /api/count HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    await host.line(({ message }) => message === 'read 5');
    socket.write('1\r\n!\r\n0\r\n\r\n');
    const [answer] = await once(socket, 'data');
    expect(answer).toContain('{"bytes":6}');
    socket.destroy();
  });

  it('carries megabytes up without losing any', async () => {
    const body = Buffer.alloc(5_000_000, 1);
    expect(await (await fetch(`${host.url}/api/count`, { method: 'POST', body })).json()).toEqual({ bytes: 5_000_000 });
  });

  it('answers before a body it does not read was sent, and serves the connection on', async () => {
    const body = Buffer.alloc(4_000_000, 1);
    for (let turn = 0; turn < 3; turn++) {
      const answer = await fetch(`${host.url}/api/unread`, { method: 'POST', body });
      expect([answer.status, await answer.text()]).toEqual([401, 'no']);
    }
  });

  it('lets the function see that its client went away while sending', async () => {
    const socket = await openSocket(host.port);
    socket.write('POST /api/upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome');
    await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    await host.line(({ message }) => message.startsWith('upload broke off'));
  });

  it('survives clients that leave at once', async () => {
    for (let turn = 0; turn < 30; turn++) {
      const socket = await openSocket(host.port);
      socket.write('GET /api/events HTTP/1.1\r\nHost: h\r\n\r\n');
      if (turn % 3 === 0) await once(socket, 'data');
      socket.destroy();
    }
    expect(await exchange(host.port, ['POST /api/next HTTP/1.1', 'Host: h'])).toMatch(/^HTTP\/1.1 204/);
  });
});
