// Names and routes as the Functions host is given them: nothing shadowed, nothing reserved, and every route of api.md's first step there.
import { beforeAll, describe, expect, it } from 'vitest';
import { compareNames } from '../../local/functions-host/router.ts';
import { type Registration, registrationsOf, sources } from '../registered.ts';

/** api.md, every route whose step is 1 or begins with it. */
const firstStep = [
  'GET /api/health',
  'GET /api/ready',
  'GET /api/openapi.json',
  'GET /api/docs',
  'GET /problems/{code}',
  'GET /api/registry/agents',
  'GET /api/registry/agents/search',
  'GET /api/registry/agents/{id}',
  'POST /api/registry/agents/{id}/register',
  'DELETE /api/registry/agents/{id}/unregister',
  'POST /tenants/{tenantId}/agents/{agentId}/environment',
  'POST /api/messages',
  'POST /api/messaging/token',
  'POST /tenants/{tenantId}/integrations/{integration}/credentials',
  'GET /tenants/{tenantId}/integrations',
  'GET /api/v1/tools',
  'POST /api/v1/tools/invoke',
  'POST /tenants',
  'GET /tenants',
  'GET /tenants/{tenantId}',
  'GET /api/auth/whoami',
  'GET /tenants/{tenantId}/quota',
  'POST /api/quota/check',
  'GET /tenants/{tenantId}/audit',
];

/** Functions that api.md or architecture 2 names itself. */
const named: Readonly<Record<string, string>> = {
  'functions/provisioning/provision.ts': 'provision',
  'functions/zz-no-route.ts': 'zz-no-route',
};

interface Route {
  readonly name: string;
  readonly method: string;
  readonly path: string;
}

let registrations: Registration[];
/** In the order the host tries them. */
let routes: Route[];

function routesOf(registered: readonly Registration[]): Route[] {
  return registered
    .flatMap(({ functions }) => functions)
    .toSorted((a, b) => compareNames(a.name, b.name))
    .flatMap(({ name, bindings }) => {
      const trigger = Object.values(bindings).find(({ type }) => type === 'httpTrigger');
      // What the library gives for every HTTP trigger.
      const { methods = [], route = '' } = (trigger ?? {}) as { methods?: string[]; route?: string };
      return methods.map((method) => ({ name, method, path: `/${route}` }));
    });
}

beforeAll(async () => {
  registrations = await registrationsOf(sources);
  routes = routesOf(registrations);
});

describe('the functions', () => {
  it('are one a file, named after folder and file', () => {
    const names = registrations.map(({ file, functions }) => [file, ...functions.map(({ name }) => name)]);
    const wanted = registrations.map(({ file }) => {
      const [, folder, own] = /^functions\/(?:([a-z-]+)\/)?([a-z-]+)\.ts$/.exec(file) ?? [];
      return [file, named[file] ?? (folder === own ? folder : `${folder}-${own}`)];
    });
    expect(names).toEqual(wanted);
  });

  it('end with the one for no route, which takes every method', () => {
    const last = routes.filter(({ name }) => name === 'zz-no-route');
    expect(routes.slice(-last.length)).toEqual(last);
    expect(new Set(last.map(({ path }) => path))).toEqual(new Set(['/{*path}']));
    expect(last.map(({ method }) => method).sort()).toEqual(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']);
  });

  it('of the two roles are all there are, each of one role; what listens at the queue of provisioning is of the other', async () => {
    const namesOf = async (role: string) =>
      (await registrationsOf(sources, { FLOWGRID_ROLE: role })).flatMap(({ functions }) => functions.map(({ name }) => name));
    const [api, provision] = [await namesOf('api'), await namesOf('provision')];
    expect([...api, ...provision].sort()).toEqual(registrations.flatMap(({ functions }) => functions.map(({ name }) => name)).sort());
    expect(provision).toContain('provision');
    expect(api).toContain('dispatch');
    for (const { functions } of registrations) {
      for (const { name, bindings } of functions) {
        if (Object.values(bindings).some(({ type }) => type === 'httpTrigger')) expect(provision).not.toContain(name);
      }
    }
  });
});

describe('the routes', () => {
  it.each(firstStep)('hold %s', (route) => {
    expect(routes.map(({ method, path }) => `${method} ${path}`)).toContain(route);
  });

  it('begin with nothing the host keeps for itself', () => {
    for (const { path } of routes) expect(path).not.toMatch(/^\/(admin|runtime)/i);
  });

  it('are in two families and the few beside them', () => {
    for (const { path } of routes) expect(path).toMatch(/^\/(api\/|tenants(\/|$)|problems\/|oauth\/|auth\/|\.well-known\/|\{\*path\}$)/);
  });

  it('shadow none: where two match, the one with the literal comes first', () => {
    expect(shadowings(routes)).toEqual([]);
  });
});

describe('the check itself', () => {
  const route = (name: string, path: string, method = 'GET') => ({ name, method, path });

  it.each([
    ['the same route twice', route('a', '/x'), route('b', '/X')],
    ['a parameter before a literal', route('a', '/x/{id}'), route('b', '/x/search')],
    ['parameters of other names', route('a', '/x/{id}'), route('b', '/x/{name}')],
    ['neither before the other', route('a', '/x/{id}/y'), route('b', '/{z}/search/y')],
    ['everything before something', route('a', '/{*path}'), route('b', '/x/y/z')],
  ])('finds %s', (_, first, second) => {
    expect(shadowings([first, second])).toEqual(['b is shadowed by a']);
  });

  it.each([
    ['a literal before a parameter', route('a', '/x/search'), route('b', '/x/{id}')],
    ['another method', route('a', '/x/{id}'), route('b', '/x/search', 'POST')],
    ['another length', route('a', '/x/{id}'), route('b', '/x/{id}/y')],
    ['another literal', route('a', '/x/{id}/y'), route('b', '/x/search/z')],
    ['everything at the end', route('a', '/x'), route('b', '/{*path}')],
  ])('lets be %s', (_, first, second) => {
    expect(shadowings([first, second])).toEqual([]);
  });
});

/**
 * Of two routes some path matches both, the host takes the first. That is meant where the first has a literal at the first place they differ
 * and is nowhere vaguer than the second; otherwise the second loses paths it says it has.
 */
function shadowings(ordered: readonly Route[]): string[] {
  return ordered.flatMap((second, at) =>
    ordered
      .slice(0, at)
      .filter((first) => first.method === second.method && shadows(first.path, second.path))
      .map((first) => `${second.name} is shadowed by ${first.name}`),
  );
}

function shadows(first: string, second: string): boolean {
  const [before, after] = [first, second].map((path) => path.toLowerCase().split('/').slice(1));
  if (!before || !after) return false;
  const vague = (part: string | undefined) => part?.startsWith('{') === true;
  const rest = (part: string | undefined) => part?.startsWith('{*') === true;
  let [clearer, vaguer] = [false, false];
  for (let at = 0; at < Math.max(before.length, after.length); at++) {
    const [one, other] = [before[at], after[at]];
    if (rest(other)) return vaguer;
    if (rest(one)) return true;
    if (one === undefined || other === undefined) return false;
    if (!vague(one) && !vague(other) && one !== other) return false;
    vaguer ||= vague(one) && !vague(other);
    clearer ||= !vague(one) && vague(other);
  }
  return vaguer || !clearer;
}
