// What a client gets back, buffered and streamed.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostProcess, startHost } from './host-process.ts';
import { exchange } from './raw-http.ts';

describe.each(['buffered', 'streamed'])('answers, %s', (mode) => {
  const streamed = mode === 'streamed';
  let host: HostProcess;
  beforeAll(async () => {
    host = await startHost('answers', { env: { STREAM: String(streamed) } });
  });
  afterAll(() => host.stop());

  it('passes status, headers and bytes through', async () => {
    const answer = await fetch(`${host.url}/api/bytes`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('x-own')).toBe('yes');
    expect([...new Uint8Array(await answer.arrayBuffer())]).toEqual([0, 255, 128]);
    expect(answer.headers.has('x-ms-invocation-id')).toBe(streamed);
  });

  it.each([201, 204, 304, 404, 503])('passes status %i through', async (code) => {
    expect((await fetch(`${host.url}/api/status/${code}`)).status).toBe(code);
  });

  it('sends megabytes whole', async () => {
    expect((await (await fetch(`${host.url}/api/large`)).bytes()).every((byte) => byte === 7)).toBe(true);
  });

  it('hands the function every header, repeated ones joined by a comma', async () => {
    const answer = await exchange(host.port, [
      'GET /api/headers HTTP/1.1',
      'Host: h',
      'X-A: 1',
      'x-a: 2',
      'Cookie: a=1',
      'Constructor: c',
      'User-Agent: u',
    ]);
    expect(JSON.parse(/\{.*\}/.exec(answer)?.[0] ?? '')).toEqual({
      host: 'h',
      'x-a': '1,2',
      cookie: 'a=1',
      constructor: 'c',
      'user-agent': 'u',
      connection: 'close',
    });
  });

  it.runIf(streamed)('lets a query parameter displace the headers, as the real binding data does', async () => {
    expect(await (await fetch(`${host.url}/api/headers?Headers={"x-forged":"1"}`)).json()).toEqual({ 'x-forged': '1' });
  });

  it('writes cookies with all their attributes', async () => {
    const cookies = (await fetch(`${host.url}/api/cookies`)).headers.getSetCookie();
    if (streamed) {
      // the library's own writing
      expect(cookies).toHaveLength(3);
      expect(cookies[1]).toContain('HttpOnly');
    } else {
      expect(cookies).toEqual([
        'plain=a%20b%21; path=/',
        `full=1; expires=${new Date(0x5f5e100_000).toUTCString()}; max-age=60; domain=example.org; path=/x; secure; samesite=strict; httponly`,
        'open=; path=/; secure; samesite=none',
      ]);
    }
  });

  it('answers 500 and nothing else for a function that throws, and logs why with the invocation', async () => {
    const answer = await fetch(`${host.url}/api/throws`);
    expect([answer.status, await answer.text()]).toEqual([500, '']);
    const line = await host.line(({ message }) => message.includes('a secret reason'));
    expect(line).toMatchObject({
      level: 'error',
      category: 'Function.throws',
      function: 'throws',
      invocationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('answers a function that returns nothing: 204, or 500 where Azure would leave the caller waiting', async () => {
    expect((await fetch(`${host.url}/api/silent`)).status).toBe(streamed ? 500 : 204);
  });

  it('shows a body that breaks off as broken', async () => {
    const answer = fetch(`${host.url}/api/broken-stream`).then((response) => response.text());
    if (streamed) await expect(answer).rejects.toThrow();
    else expect(await answer).toBe('');
    await host.line(({ level, message }) => level === 'error' && message.includes('the stream broke'));
  });

  it('takes a body with a length as it is', async () => {
    const body = Buffer.alloc(300_000, 'é');
    expect(Buffer.compare(Buffer.from(await (await fetch(`${host.url}/api/echo`, { method: 'POST', body })).bytes()), body)).toBe(0);
    expect(await (await fetch(`${host.url}/api/echo`, { method: 'POST' })).text()).toBe('');
  });

  it('takes a body in chunks only when streaming, as Azure does', async () => {
    const chunks = ['POST /api/echo HTTP/1.1', 'Host: h', 'Transfer-Encoding: chunked'];
    const answer = await exchange(host.port, chunks, '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
    expect(answer.startsWith('HTTP/1.1 200')).toBe(true);
    expect(answer.includes('abcde')).toBe(streamed);
  });

  it('drops the body of a GET and the answer of a HEAD', async () => {
    expect(await exchange(host.port, ['GET /api/either HTTP/1.1', 'Host: h', 'Content-Length: 3'], 'abc')).toMatch(/GET (\r\n|$)/);
    const head = await exchange(host.port, ['HEAD /api/either HTTP/1.1', 'Host: h']);
    expect(head).toMatch(/^HTTP\/1.1 200/);
    expect(head).toMatch(/\r\n\r\n$/);
  });

  it('refuses a body above 210 MB before it is sent', async () => {
    expect(await exchange(host.port, ['POST /api/echo HTTP/1.1', 'Host: h', `Content-Length: ${210 * 1024 * 1024 + 1}`])).toMatch(
      /^HTTP\/1.1 413/,
    );
  });

  it('serves many requests on kept connections', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, number) =>
        (await fetch(`${host.url}/api/echo`, { method: 'POST', body: `number ${number}` })).text(),
      ),
    );
    expect(answers).toEqual(Array.from({ length: 200 }, (_, number) => `number ${number}`));
  });
});
