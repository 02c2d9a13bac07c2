// FlowGrid's own card (A2A 1.0): how to find it and how to get in. It says nothing of any tenant.
import { version } from '../../config/version.ts';
import type { Card } from './card.ts';

/**
 * FlowGrid holds no conversations of its own, so its one interface is bound to its HTTP API, under a URI of ours as A2A 1.0, 5.8 asks; agents in its
 * registry have cards of their own.
 */
export function platformCard(baseUrl: string): Card {
  const skill = (id: string, name: string, description: string, tags: string[]) => ({ id, name, description, tags });
  return {
    name: 'FlowGrid',
    description:
      'A control plane where the agents of many tenants find each other, exchange signed messages and call tools with their own tenant’s credentials. Reached by its HTTP API; it answers no A2A tasks itself.',
    version,
    supportedInterfaces: [{ url: `${baseUrl}/api`, protocolBinding: `${baseUrl}/api/openapi.json`, protocolVersion: '1.0' }],
    documentationUrl: `${baseUrl}/api/docs`,
    capabilities: { streaming: false, pushNotifications: false, extendedAgentCard: false },
    securitySchemes: {
      bearer: { httpAuthSecurityScheme: { scheme: 'Bearer', description: 'An access token or an API key of a tenant' } },
      apiKey: { apiKeySecurityScheme: { location: 'header', name: 'X-API-Key', description: 'An API key of a tenant' } },
    },
    securityRequirements: [{ schemes: { bearer: { list: [] } } }, { schemes: { apiKey: { list: [] } } }],
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: [
      skill('registry', 'Agent registry', 'Registers the agents of a tenant and finds those that run, by skill, tag and text.', [
        'registry',
        'discovery',
      ]),
      skill('messaging', 'Messages', 'Takes messages from one agent to another of its tenant, signs them and sees them delivered.', [
        'messaging',
      ]),
      skill('tools', 'Tools', 'Calls the tools a tenant has connected, with its credentials and within its policies.', [
        'tools',
        'integrations',
      ]),
    ],
  };
}
