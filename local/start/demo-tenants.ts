// Two demo tenants, each with an incident agent, a knowledge agent and a connected integration: made through the API like any other.
import { setTimeout as wait } from 'node:timers/promises';
import type { LocalJson } from './local-json.ts';
import type { Secrets } from './secrets.ts';

const tenants = [
  { id: 'acme', name: 'Acme' },
  { id: 'globex', name: 'Globex' },
];

const agents = [
  {
    id: 'incident-agent',
    name: 'Incident Response Agent',
    skill: 'triage_incident',
    tag: 'incident',
    text: 'Takes an incident and decides what it needs.',
  },
  {
    id: 'knowledge-agent',
    name: 'Knowledge Agent',
    skill: 'search_knowledge_base',
    tag: 'knowledge',
    text: 'Finds what is known about a question.',
  },
];

const ttlSeconds = 3_600;

export class DemoTenants {
  readonly #api: string;
  readonly #platformKey: string;
  readonly #upstreamToken: string;
  readonly #secrets: Secrets;
  readonly #keep: () => void;
  #renewal: NodeJS.Timeout | undefined;

  /** `keep` stores the secrets, into which new keys are put. */
  constructor(local: LocalJson, secrets: Secrets, keep: () => void) {
    this.#api = local.api;
    this.#platformKey = local.platformKey;
    this.#upstreamToken = local.upstreams.rest.token;
    this.#secrets = secrets;
    this.#keep = keep;
  }

  /** Makes what is missing and renews the agents' leases, now and while this process runs. */
  async ensure(): Promise<void> {
    await Promise.all(tenants.map((tenant) => this.#ensureTenant(tenant)));
    this.#renewal = setInterval(
      () => {
        Promise.all(tenants.map(({ id }) => this.#register(id))).catch((error: unknown) =>
          console.error('The demo agents were not renewed:', error),
        );
      },
      (ttlSeconds / 2) * 1_000,
    );
  }

  /** As `local.json` shows them. */
  get tenants(): { id: string; apiKey: string }[] {
    return tenants.map(({ id }) => ({ id, apiKey: this.#keyOf(id) }));
  }

  stop(): void {
    clearInterval(this.#renewal);
  }

  async #ensureTenant({ id, name }: (typeof tenants)[number]): Promise<void> {
    if (!this.#secrets.tenants[id]) {
      const made = await this.#call('POST', '/tenants', this.#platformKey, { id, name });
      const key = made.ownerKey?.key;
      if (key === undefined) throw new Error(`tenant ${id} exists, but its key is not in secrets.json: start with another data folder`);
      this.#secrets.tenants[id] = key;
      this.#keep();
    }
    for (let left = 400; ; left--) {
      const { status } = await this.#call('GET', `/tenants/${id}`, this.#keyOf(id));
      if (status === 'active') break;
      if (left === 0) throw new Error(`tenant ${id} is not being provisioned`);
      await wait(25);
    }
    await Promise.all([this.#register(id), this.#connect(id)]);
  }

  async #register(id: string): Promise<void> {
    await Promise.all(
      agents.map(({ id: agentId, ...agent }) =>
        this.#call('POST', `/api/registry/agents/${agentId}/register`, this.#keyOf(id), {
          card: cardOf(agent),
          ttlSeconds,
          metadata: { demo: true },
        }),
      ),
    );
  }

  async #connect(id: string): Promise<void> {
    const { integrations } = await this.#call('GET', `/tenants/${id}/integrations`, this.#keyOf(id));
    if (integrations?.some(({ name, hasCredentials }) => name === 'notion' && hasCredentials)) return;
    await this.#call('POST', `/tenants/${id}/integrations/notion/credentials`, this.#keyOf(id), {
      accessToken: `${this.#upstreamToken}.${id}`,
    });
  }

  #keyOf(id: string): string {
    return this.#secrets.tenants[id] ?? '';
  }

  async #call(method: string, path: string, key: string, body?: object): Promise<Answer> {
    const response = await fetch(this.#api + path, {
      method,
      headers: { 'x-api-key': key, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    // Our own API's answers, of which only these members are read.
    return JSON.parse(text) as Answer;
  }
}

interface Answer {
  readonly status?: string;
  readonly ownerKey?: { readonly key: string };
  readonly integrations?: readonly { readonly name: string; readonly hasCredentials: boolean }[];
}

/** An A2A 1.0 card. */
export function cardOf(agent: { name: string; skill: string; tag: string; text: string }): object {
  return {
    name: agent.name,
    description: agent.text,
    version: '1.0.0',
    supportedInterfaces: [{ url: 'https://agents.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: { streaming: false },
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: [{ id: agent.skill, name: agent.skill.replaceAll('_', ' '), description: agent.text, tags: [agent.tag] }],
  };
}
