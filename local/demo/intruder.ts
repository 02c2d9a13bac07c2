// What a tenant may try on another, with a perfectly good key of its own, and the refusal each try must meet.
import type { Caller, ProblemBody } from './caller.ts';
import { hold } from './told.ts';

export interface Attempt {
  readonly title: string;
  run(intruder: Caller): Promise<string>;
}

interface Refusal {
  readonly status: number;
  readonly code: string;
}

/** `page` is a page in the victim's workspace. */
export function tryEverything(victim: string, page: string): Attempt[] {
  const hidden: Refusal = { status: 404, code: 'not_found' };
  const mismatch: Refusal = { status: 403, code: 'tenant_mismatch' };
  const refused = (
    title: string,
    refusal: Refusal,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Attempt => ({
    title,
    async run(intruder) {
      const { status, body: problem } = await intruder.try<ProblemBody>(method, path, body, headers);
      hold(status === refusal.status && problem?.code === refusal.code, `it was answered ${status} ${problem?.code ?? 'and not refused'}`);
      return `${status} ${refusal.code}`;
    },
  });
  return [
    refused('reads its record', hidden, 'GET', `/tenants/${victim}`),
    refused('reads its audit trail', hidden, 'GET', `/tenants/${victim}/audit`),
    refused('reads its quota', hidden, 'GET', `/tenants/${victim}/quota`),
    refused('replaces its credential', hidden, 'POST', `/tenants/${victim}/integrations/notion/credentials`, { accessToken: 'planted' }),
    refused('makes itself an agent key there', hidden, 'POST', `/tenants/${victim}/agents/knowledge-agent/environment`),
    refused('lists agents with its id in the query', mismatch, 'GET', `/api/registry/agents?tenantId=${victim}`),
    refused('lists agents with its id in a header', mismatch, 'GET', '/api/registry/agents', undefined, { 'x-tenant-id': victim }),
    refused('calls its tool with its id in the body', mismatch, 'POST', '/api/v1/tools/invoke', {
      toolId: 'notion.getPage',
      parameters: { page_id: page },
      tenantId: victim,
    }),
    refused('asks for a token to its queue', mismatch, 'POST', '/api/messaging/token', { queue: `${victim}-knowledge_agent` }),
    refused('reads its agent by id', hidden, 'GET', '/api/registry/agents/knowledge-agent'),
    refused('sends to its agent', { status: 404, code: 'agent_not_found' }, 'POST', '/api/messages', {
      to: 'knowledge-agent',
      messageType: 'knowledge.search',
      payload: {},
    }),
    refused(
      'calls the tool without a credential of its own',
      { status: 409, code: 'credentials_not_found' },
      'POST',
      '/api/v1/tools/invoke',
      {
        toolId: 'notion.getPage',
        parameters: { page_id: page },
      },
    ),
  ];
}
