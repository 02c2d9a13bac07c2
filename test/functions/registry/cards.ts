// One A2A card of each version, whole and with fields that no version knows.

const common = {
  description: 'Plans routes and says what they cost.',
  version: '2.4.1',
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json', 'image/png'],
  skills: [{ id: 'route', name: 'Plan a route', description: 'From here to there.', tags: ['maps', 'travel'], 'x-cost': 3 }],
  provider: { organization: 'Example', url: 'https://example.com' },
  'x-unknown': { deep: [1, { er: null }], text: 'Grüße \u2603' },
};

const security = { securitySchemes: { main: { type: 'apiKey', in: 'header', name: 'X-Key' } }, security: [{ main: [] }] };

export const cards = {
  '0.2': {
    ...common,
    ...security,
    name: 'Route 0.2',
    url: 'https://agents.example/route',
    capabilities: { streaming: true, stateTransitionHistory: true },
    supportsAuthenticatedExtendedCard: true,
  },
  '0.3': {
    ...common,
    ...security,
    name: 'Route 0.3',
    protocolVersion: '0.3.0',
    url: 'https://agents.example/route',
    preferredTransport: 'GRPC',
    additionalInterfaces: [
      { url: 'https://agents.example/route', transport: 'GRPC' },
      { url: 'https://agents.example/rest', transport: 'HTTP+JSON' },
    ],
    capabilities: { pushNotifications: true },
  },
  '1.0': {
    ...common,
    name: 'Route 1.0',
    supportedInterfaces: [{ url: 'https://agents.example/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: { streaming: true, extendedAgentCard: false },
    securitySchemes: { main: { apiKeySecurityScheme: { location: 'header', name: 'X-Key' } } },
    securityRequirements: [{ schemes: { main: { list: [] } } }],
  },
} as const;
