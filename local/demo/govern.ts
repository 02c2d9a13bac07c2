// The part of the story about who may do what: a lesser key, a token for it, a policy, its end, and the ledger that saw it all.
import { setTimeout as wait } from 'node:timers/promises';
import { Caller } from './caller.ts';
import { hold, type Told } from './told.ts';

const policy = 'forbid (principal in Role::"agent", action == Action::"tool:invoke", resource == Tool::"notion.createPage");';

interface Explained {
  readonly decision: string;
  readonly step: string;
  readonly reasons: readonly { readonly policy?: string }[];
}

/** `owner` owns the tenant, which has a Notion credential. */
export async function govern(api: string, told: Told, tenant: string, owner: Caller): Promise<void> {
  told.chapter(`${tenant} says who may do what`);
  let key = { keyId: '', key: '' };
  let holder = owner;
  await told.step('makes a key with the role of an agent', async () => {
    key = await owner.ask('POST', `/tenants/${tenant}/api-keys`, { name: 'demo', role: 'agent' });
    const refused = await new Caller(api, key.key).try<{ code: string }>('POST', `/tenants/${tenant}/api-keys`, { name: 'more' });
    hold(refused.status === 403, `it may make keys: ${refused.status}`);
    return `${key.keyId}; it makes no keys: ${refused.status} ${refused.body.code}`;
  });
  await told.step('trades it for a token', async () => {
    const order = { grant_type: 'client_credentials', client_id: key.keyId, client_secret: key.key };
    const issued = await new Caller(api).ask<{ access_token: string; expires_in: number }>('POST', '/api/auth/token', order);
    holder = new Caller(api, issued.access_token);
    const { method, role } = await holder.ask<{ method: string; role: string }>('GET', '/api/auth/whoami');
    hold(method === 'token' && role === 'agent', `whoami says ${method}, ${role}`);
    return `good for ${issued.expires_in} s, as ${role}`;
  });
  await told.step('forbids agents to create pages, in Cedar', async () => {
    await owner.ask('PUT', `/tenants/${tenant}/policies/no-pages`, policy);
    const call = { toolId: 'notion.createPage', parameters: {} };
    const refused = await holder.try<{ code: string }>('POST', '/api/v1/tools/invoke', call);
    hold(refused.body.code === 'policy_denied', `the call was answered ${refused.status}`);
    return `${refused.status} ${refused.body.code}`;
  });
  await told.step('asks why', async () => {
    const question = { principal: `Key::"${key.keyId}"`, action: 'tool:invoke', resource: 'Tool::"notion.createPage"' };
    const { decision, step, reasons } = await owner.ask<Explained>('POST', '/api/policy/explain', question);
    const by = reasons.find((reason) => reason.policy !== undefined)?.policy;
    hold(decision === 'deny' && by !== undefined, `the explanation is ${decision}`);
    await owner.ask('DELETE', `/tenants/${tenant}/policies/no-pages`);
    return `${decision}, at the step ${step}, by ${by}`;
  });
  await told.step('revokes the key, and with it the token', async () => {
    await owner.ask('DELETE', `/tenants/${tenant}/api-keys/${key.keyId}`);
    const { status } = await holder.try('GET', '/api/auth/whoami');
    hold(status === 401, `the token is answered ${status}`);
    return `${status}`;
  });
  await told.step('has its whole ledger verified', async () => {
    const { jobId } = await owner.ask<{ jobId: string }>('POST', `/tenants/${tenant}/audit/verify`);
    for (let left = 200; left > 0; left--) {
      const job = await owner.ask<{ status: string; ok: boolean; lanes: number; events: number }>(
        'GET',
        `/tenants/${tenant}/audit/verify?jobId=${jobId}`,
      );
      hold(job.status !== 'failed', 'the verification failed');
      if (job.status === 'done') {
        hold(job.ok, 'the ledger does not verify');
        return `${job.events} events in ${job.lanes} lanes, every hash as it was`;
      }
      await wait(50);
    }
    throw new Error('the verification is not done after 10 s');
  });
}
