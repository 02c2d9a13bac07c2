// What policies do to calls, on the host they were written on and on the other, and how a decision is explained.
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { newTenant, type TestTenant, until } from '../../flowgrid.ts';
import { Asker, codeOf, problemOf } from '../asker.ts';
import { type Mailbox, openMailbox } from '../messages/mailbox.ts';
import { promisedMs } from '../promised.ts';
import { settledTrail } from '../trail.ts';
import { setPolicies } from './writer.ts';

const local = inject('local');
const [here = '', there = ''] = local.hosts;

let tenant: TestTenant;
let owner: Asker;
let alpha: Mailbox;
let beta: Mailbox;
beforeAll(async () => {
  tenant = await newTenant(local);
  owner = new Asker(here, tenant.key);
  alpha = await openMailbox(owner, tenant.id, 'alpha', [{ id: 'translate' }]);
  beta = await openMailbox(owner, tenant.id, 'beta', [{ id: 'translate' }]);
  await owner.post(`/tenants/${tenant.id}/integrations/notion/credentials`, { accessToken: `${local.upstreams.rest.token}.${tenant.id}` });
});

const set = (texts: Record<string, string>) => setPolicies(owner, tenant.id, texts);
const invoke = (by: Asker, toolId = 'notion.whoAmI') => by.ask('POST', '/api/v1/tools/invoke', { json: { toolId, parameters: {} } });
const send = (by: Asker, to: unknown, from?: string) =>
  by.ask('POST', '/api/messages', { json: { to, ...(from && { from }), messageType: 'note', payload: 1 } });

interface Explanation {
  readonly decision: string;
  readonly step: string;
  readonly reasons: readonly { readonly policy?: string; readonly text: string }[];
  readonly missing: readonly string[];
  readonly inputs?: Record<string, unknown>;
}
const explain = (by: Asker, question: Record<string, unknown>) => by.post<Explanation>('/api/policy/explain', question);
const search = { action: '"tool:invoke"', resource: 'Tool::"notion.search"' };

describe('a tool', () => {
  test('is called by whom a policy permits it, and by nobody else', async () => {
    await set({ 'only-alpha': 'permit(principal == Agent::"alpha", action == Action::"tool:invoke", resource == Tool::"notion.whoAmI");' });
    expect((await invoke(alpha.asker)).status).toBe(200);
    const { detail, requestId } = problemOf(await invoke(beta.asker), 403, 'policy_denied');
    expect(detail).toContain('only-alpha');
    expect(codeOf(await invoke(owner))).toBe('policy_denied');
    // The rest of the integration is nobody's business but the scopes'.
    expect(codeOf(await invoke(beta.asker, 'notion.getPage'))).toBe('parameters_invalid');
    const [event] = (await settledTrail(owner, tenant.id)).filter((each) => each.requestId === requestId);
    expect(event).toMatchObject({ action: 'tool.invoked', outcome: 'denied', code: 'policy_denied', actor: { type: 'agent', id: 'beta' } });
  });

  test('is not listed for whom it is denied', async () => {
    await set({ 'only-alpha': 'permit(principal == Agent::"alpha", action == Action::"tool:invoke", resource == Tool::"notion.whoAmI");' });
    const listed = async (by: Asker) =>
      (await by.get<{ items: { toolId: string }[]; total: number }>('/api/v1/tools')).items.map(({ toolId }) => toolId);
    expect(await listed(alpha.asker)).toContain('notion.whoAmI');
    expect(await listed(beta.asker)).not.toContain('notion.whoAmI');
    expect(await listed(beta.asker)).toContain('notion.search');
  });

  test('is asked about after the schema and before the quota', async () => {
    await set({ none: 'forbid(principal, action == Action::"tool:invoke", resource);' });
    problemOf(await owner.ask('POST', '/api/v1/tools/invoke', { json: { toolId: 'notion.whoAmI' } }), 400, 'validation_failed');
    const used = () => owner.get<{ limits: unknown }>(`/tenants/${tenant.id}/quota`);
    const before = await used();
    problemOf(await invoke(owner), 403, 'policy_denied');
    expect(await used()).toEqual(before);
  });

  test('is timed', async () => {
    await set({});
    const { headers } = await invoke(owner);
    expect(headers.get('server-timing')).toMatch(/(^|, )policy;dur=/);
  });
});

describe('other actions', () => {
  test('are forbidden one by one', async () => {
    await set({
      sending: 'forbid(principal == Agent::"beta", action == Action::"message:send", resource == Agent::"alpha");',
      orchestrating: 'forbid(principal, action == Action::"message:send", resource == Queue::"orchestrator");',
      types: 'forbid(principal, action == Action::"message:send", resource) when { context.messageType == "evil" };',
      registering: 'forbid(principal, action == Action::"agent:register", resource == Agent::"gamma");',
      leaving: 'forbid(principal in Role::"agent", action == Action::"agent:unregister", resource);',
      environments: 'forbid(principal, action == Action::"agent:environment", resource == Agent::"gamma");',
      listening: 'forbid(principal, action == Action::"message:receive", resource == Queue::"beta");',
      connecting: 'forbid(principal, action == Action::"integration:connect", resource == Integration::"notion");',
    });
    expect((await send(alpha.asker, 'beta')).status).toBe(202);
    problemOf(await send(beta.asker, 'alpha'), 403, 'policy_denied');
    problemOf(await send(alpha.asker, 'orchestrator'), 403, 'policy_denied');
    const evil = { to: 'beta', messageType: 'evil', payload: 1 };
    problemOf(await alpha.asker.ask('POST', '/api/messages', { json: evil }), 403, 'policy_denied');
    problemOf(await owner.ask('POST', '/api/registry/agents/gamma/register', { json: { card: {} } }), 403, 'policy_denied');
    problemOf(await beta.asker.ask('DELETE', '/api/registry/agents/beta/unregister'), 403, 'policy_denied');
    problemOf(await owner.ask('POST', `/tenants/${tenant.id}/agents/gamma/environment`), 403, 'policy_denied');
    problemOf(await beta.asker.ask('POST', '/api/messaging/token', { json: { queue: beta.queue } }), 403, 'policy_denied');
    expect((await alpha.token()).queue).toBe(alpha.queue);
    const connect = await owner.ask('POST', `/tenants/${tenant.id}/integrations/notion/credentials`, { json: { apiKey: 'x' } });
    problemOf(connect, 403, 'policy_denied');
  });

  test('reach by a skill only whom they may reach by name', async () => {
    await set({ 'not-alpha': 'forbid(principal, action == Action::"message:send", resource == Agent::"alpha");' });
    const reached = await Promise.all(Array.from({ length: 8 }, () => send(beta.asker, { skill: 'translate' })));
    expect(reached.map(({ status, body }) => [status, (body as { to: string }).to])).toEqual(Array(8).fill([202, 'beta']));
    await set({ nobody: 'forbid(principal, action == Action::"message:send", resource is Agent);' });
    problemOf(await send(beta.asker, { skill: 'translate' }), 404, 'agent_not_found');
  });

  test('do not touch another tenant', async () => {
    await set({ nothing: 'forbid(principal, action, resource);' });
    const other = await newTenant(local);
    const stranger = new Asker(here, other.key);
    expect(codeOf(await invoke(stranger))).toBe('credentials_not_found');
    problemOf(await invoke(owner), 403, 'policy_denied');
    expect(await explain(stranger, search)).toMatchObject({ decision: 'allow', step: 'scopes' });
  });
});

describe('the other host', () => {
  test('follows within two seconds when a policy is written, changed and deleted', async () => {
    const remote = alpha.asker.at(there);
    const forbid = { stop: 'forbid(principal, action == Action::"tool:invoke", resource == Tool::"notion.whoAmI");' };
    const permit = { stop: 'permit(principal, action == Action::"tool:invoke", resource == Tool::"notion.whoAmI");' };
    await set({});
    await until('it allows', async () => (await invoke(remote)).status === 200);
    for (const [texts, status] of [
      [forbid, 403],
      [permit, 200],
      [forbid, 403],
      [{}, 200],
    ] as const) {
      await set(texts);
      expect((await invoke(alpha.asker)).status).toBe(status);
      await until(`it answers ${status}`, async () => (await invoke(remote)).status === status, promisedMs);
    }
  });
});

describe('POST /api/policy/explain', () => {
  test('explains the scopes', async () => {
    await set({});
    expect(await explain(owner, search)).toMatchObject({
      decision: 'allow',
      step: 'scopes',
      reasons: [{ text: expect.stringContaining('the scopes decide') }],
      missing: [],
      inputs: { action: 'Action::"tool:invoke"', resource: 'Tool::"notion.search"', in: ['Role::"owner"'] },
    });
    expect(
      await explain(owner, { principal: 'Agent::"alpha"', action: 'integration:connect', resource: 'Integration::"notion"' }),
    ).toMatchObject({
      decision: 'deny',
      step: 'scopes',
      missing: ['integrations:write'],
      inputs: { principal: 'Agent::"alpha"', in: ['Role::"agent"'] },
    });
  });

  test('explains policies as calls meet them, and what would allow it', async () => {
    await set({
      readers: 'permit(principal in Role::"viewer", action == Action::"tool:invoke", resource in Integration::"notion");',
      office:
        'permit(principal is Agent, action == Action::"tool:invoke", resource == Tool::"notion.search") when { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };',
      never: 'forbid(principal, action == Action::"tool:invoke", resource == Tool::"notion.createPage");',
    });
    const forAlpha = { principal: 'Agent::"alpha"', ...search };
    const denied = await explain(owner, forAlpha);
    expect(denied).toMatchObject({
      decision: 'deny',
      step: 'policy',
      missing: [expect.stringMatching(/^permit\(principal == Agent::"alpha", /)],
    });
    expect(denied.reasons).toEqual(
      expect.arrayContaining([
        { policy: 'readers', text: 'would permit this but for: principal in Role::"viewer".' },
        { policy: 'office', text: expect.stringContaining('but for: when { context has ip }') },
      ]),
    );
    expect(codeOf(await invoke(alpha.asker, 'notion.search'))).toBe('policy_denied');

    expect(await explain(owner, { ...forAlpha, context: { ip: '10.1.2.3' } })).toMatchObject({
      decision: 'allow',
      step: 'policy',
      reasons: [{ policy: 'office' }],
      missing: [],
    });
    const forbidden = await explain(owner, { action: 'Action::"tool:invoke"', resource: 'Tool::"notion.createPage"' });
    expect(forbidden).toMatchObject({ decision: 'deny', step: 'policy', reasons: [{ policy: 'never' }], missing: [] });

    // The permit it proposes is enough.
    await set({ proposed: denied.missing[0] ?? '' });
    expect(await explain(owner, forAlpha)).toMatchObject({ decision: 'allow', reasons: [{ policy: 'proposed' }] });
    expect(
      (await alpha.asker.ask('POST', '/api/v1/tools/invoke', { json: { toolId: 'notion.search', parameters: { query: '' } } })).status,
    ).toBe(200);
  });

  test('tells of a policy that could not be evaluated', async () => {
    await set({ typed: 'forbid(principal, action == Action::"message:send", resource) when { context.messageType == "x" };' });
    const untyped = await explain(owner, { action: 'message:send', resource: 'Agent::"alpha"' });
    expect(untyped).toMatchObject({ decision: 'deny', step: 'policy' });
    expect(untyped.reasons).toContainEqual({ policy: 'typed', text: expect.stringContaining('messageType') });
    const typed = await explain(owner, { action: 'message:send', resource: 'Agent::"alpha"', context: { messageType: 'y' } });
    expect(typed).toMatchObject({ decision: 'allow', step: 'scopes' });
  });

  test('says what it does not know of another principal', async () => {
    await set({});
    const nobody = await explain(owner, { ...search, principal: 'Agent::"nobody"' });
    expect(nobody.reasons).toContainEqual({ text: expect.stringContaining('not known') });
    expect(nobody.inputs).toMatchObject({ scopes: null });
    expect(await explain(owner, { ...search, principal: 'Key::"no-such-key"' })).toMatchObject({ decision: 'deny', step: 'identity' });
    // Of another tenant's agents it knows as little.
    const other = await newTenant(local);
    expect((await explain(new Asker(here, other.key), { ...search, principal: 'Agent::"alpha"' })).inputs).toMatchObject({ scopes: null });
  });

  test.for([
    ['an action nobody does', { ...search, action: 'tool:destroy' }, '/action'],
    ['a resource of no kind', { ...search, resource: 'Role::"x"' }, '/resource'],
    ['a resource in no notation', { ...search, resource: 'notion.search' }, '/resource'],
    ['a principal of no kind', { ...search, principal: 'Tool::"x"' }, '/principal'],
    ['an address that is none', { ...search, context: { ip: '10.0.0' } }, '/context/ip'],
    ['a context nobody gives', { ...search, context: { colour: 'red' } }, '/context'],
  ] as const)('refuses %s', async ([, question, pointer]) => {
    const { errors } = problemOf(await owner.ask('POST', '/api/policy/explain', { json: question }), 400, 'validation_failed');
    expect(errors?.map((each) => each.pointer)).toEqual([pointer]);
  });

  test('is for who may read policies', async () => {
    problemOf(await alpha.asker.ask('POST', '/api/policy/explain', { json: search }), 403, 'scope_missing');
  });
});
