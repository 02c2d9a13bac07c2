// Which function a request reaches, and with which parameters: as the real host matches (ASP.NET Core's RoutePatternMatcher behind Kestrel).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HostProcess, startHost } from './host-process.ts';
import { exchange } from './raw-http.ts';

interface Told {
  readonly name: string;
  readonly url: string;
  readonly params: Record<string, string>;
  readonly query: [string, string][];
}

describe.each(['buffered', 'streamed'])('routing, %s', (mode) => {
  let host: HostProcess;
  beforeAll(async () => {
    host = await startHost('routes', {
      hostJson: { extensions: { http: { routePrefix: '' } } },
      env: { STREAM: String(mode === 'streamed') },
    });
  });
  afterAll(() => host.stop());

  const get = async (path: string): Promise<Told | number> => {
    const answer = await exchange(host.port, [`GET ${path} HTTP/1.1`, 'Host: example.org']);
    const status = Number(answer.slice(9, 12));
    return status === 200 ? JSON.parse(Buffer.from(/\{.*\}/.exec(answer)?.[0] ?? '', 'latin1').toString()) : status;
  };

  it('orders functions by name, ignoring case, underscores after letters', () => {
    expect(host.functions).toEqual([
      'a-literal',
      'b-param',
      'b-param-put',
      'files',
      'optional',
      'plain',
      'typed',
      'typed-guid',
      'typed-word',
      'za',
      'z_1',
    ]);
  });

  it.each([
    ['/plain', 'plain', {}],
    ['/PLAIN/', 'plain', {}],
    ['/things/special', 'a-literal', {}],
    ['/things/Special', 'a-literal', {}],
    ['/things/other', 'b-param', { id: 'other' }],
    ['/things/a%20b%c3%A9', 'b-param', { id: 'a bé' }],
    ['/things/a%2Fb%252F', 'b-param', { id: 'a%2Fb%2F' }],
    ['/things/%zz%FF%', 'b-param', { id: '%zz%FF%' }],
    ['/optional', 'optional', {}],
    ['/optional/x', 'optional', { Name: 'x' }],
    ['/typed/42', 'typed', { id: '42' }],
    ['/typed/00000000-0000-0000-0000-00000000000a', 'typed-guid', { id: '00000000-0000-0000-0000-00000000000a' }],
    ['/typed/word', 'typed-word', { word: 'word' }],
    ['/files', 'files', {}],
    ['/files/a/b//c/', 'files', { path: 'a/b//c/' }],
    ['/things/../files/%2e%2e/plain/./', 'plain', {}],
    ['http://example.org/things/7', 'b-param', { id: '7' }],
    ['/order/1', 'za', { y: '1' }],
  ])('%s is %s', async (path, name, params) => {
    expect(await get(path)).toMatchObject({ name, params });
  });

  it.each(['/', '/nope', '/things', '/things//', '//plain', '/things/a/b', '/typed/4.2', '/typed/toolong', '/optional/x/y'])(
    '%s is 404',
    async (path) => {
      expect(await get(path)).toBe(404);
    },
  );

  it('answers 404, empty, for a method no matching route has, HEAD and OPTIONS included', async () => {
    for (const method of ['HEAD', 'OPTIONS', 'DELETE']) {
      const answer = await fetch(`${host.url}/plain`, { method });
      expect([answer.status, await answer.text()]).toEqual([404, '']);
    }
    expect((await fetch(`${host.url}/things/1`, { method: 'OPTIONS' })).status).toBe(200);
    expect(await (await fetch(`${host.url}/things/1`, { method: 'PUT', body: 'x' })).json()).toMatchObject({
      name: 'b-param-put',
      body: 'x',
    });
  });

  it('answers 400 for an encoded NUL and for a host that is none', async () => {
    expect(await get('/things/%00')).toBe(400);
    expect(await exchange(host.port, ['GET /plain HTTP/1.1', 'Host: a/b@c'])).toMatch(/^HTTP\/1.1 400/);
  });

  it('shows the function the url the client asked for', async () => {
    expect(await get('/things/a%20b?x=1&y=%26')).toMatchObject({ url: 'http://example.org/things/a%20b?x=1&y=%26' });
  });

  it('joins a repeated query parameter only where the real library does', async () => {
    const query =
      mode === 'buffered'
        ? [
            ['a', '1,2,3'],
            ['b', ''],
          ]
        : [
            ['a', '1'],
            ['A', '2'],
            ['a', '3'],
            ['b', ''],
          ];
    expect(await get('/plain?a=1&A=2&a=3&b')).toMatchObject({ query });
  });

  it.runIf(mode === 'streamed')('lets a query into the parameters, as the real binding data does', async () => {
    expect(await get('/optional?name=forged&other=1&code=key')).toMatchObject({ params: { name: 'forged', other: '1' } });
    expect(await get('/things/5?ID=9')).toMatchObject({ params: { ID: '5' } });
  });
});

it('puts the prefix before every route: "api" unless host.json says otherwise', async () => {
  await using standard = await startHost('routes');
  expect((await fetch(`${standard.url}/api/plain`)).status).toBe(200);
  expect((await fetch(`${standard.url}/plain`)).status).toBe(404);
  await using own = await startHost('routes', { hostJson: { extensions: { http: { routePrefix: 'v1/{tenant}' } } } });
  expect(await (await fetch(`${own.url}/v1/acme/things/7`)).json()).toMatchObject({ params: { tenant: 'acme', id: '7' } });
});
