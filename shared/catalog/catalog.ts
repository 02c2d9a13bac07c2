// The providers FlowGrid knows, and their tools by id.
import type { Config } from '../config/config.ts';
import { notion } from './notion.ts';
import type { Provider, Tool } from './provider.ts';

export class Catalog {
  readonly providers: ReadonlyMap<string, Provider>;

  /** `{PROVIDER}_BASE_URL` moves a provider (self-hosted editions, tests). */
  constructor(config: Config) {
    const moved = [notion].map((provider) => ({ ...provider, baseUrl: config.providerBaseUrls.get(provider.id) ?? provider.baseUrl }));
    this.providers = new Map(moved.map((provider) => [provider.id, provider]));
  }

  /** The tool of an id `{integration}.{tool}`. */
  find(toolId: string): { provider: Provider; tool: Tool } | undefined {
    const at = toolId.indexOf('.');
    const provider = this.providers.get(toolId.slice(0, Math.max(at, 0)));
    const tool = provider?.tools.find(({ name }) => name === toolId.slice(at + 1));
    return provider && tool && { provider, tool };
  }
}
