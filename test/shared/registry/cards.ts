// One A2A card of each version, with every field of its version that changes on the way to 1.0 (written after the specification's examples).

const skill = {
  id: 'route-optimizer-traffic',
  name: 'Traffic-aware route optimizer',
  description: 'Calculates the best route between two places.',
  tags: ['maps', 'routing'],
  examples: ['Plan a route from Augsburg to Ulm.'],
  inputModes: ['application/json'],
  outputModes: ['application/json', 'application/vnd.geo+json'],
};

const common = {
  name: 'GeoSpatial Route Planner',
  description: 'Plans routes and draws maps.',
  version: '1.2.0',
  provider: { organization: 'Example Geo Services', url: 'https://geo.example' },
  documentationUrl: 'https://docs.geo.example',
  defaultInputModes: ['application/json', 'text/plain'],
  defaultOutputModes: ['application/json', 'image/png'],
};

export const cardV02 = {
  ...common,
  url: 'https://geo.example/a2a/v1',
  capabilities: { streaming: true, pushNotifications: false, stateTransitionHistory: true },
  securitySchemes: { google: { type: 'openIdConnect', openIdConnectUrl: 'https://accounts.example/.well-known/openid-configuration' } },
  security: [{ google: ['openid', 'profile'] }],
  skills: [skill],
};

export const cardV03 = {
  ...common,
  protocolVersion: '0.3.0',
  url: 'https://geo.example/a2a/v1',
  preferredTransport: 'JSONRPC',
  additionalInterfaces: [
    { url: 'https://geo.example/a2a/v1', transport: 'JSONRPC' },
    { url: 'https://geo.example/a2a/grpc', transport: 'GRPC' },
  ],
  iconUrl: 'https://geo.example/icon.png',
  capabilities: {
    streaming: true,
    pushNotifications: true,
    stateTransitionHistory: false,
    extensions: [{ uri: 'https://geo.example/ext/traffic', required: false }],
  },
  securitySchemes: {
    key: { type: 'apiKey', name: 'X-Key', in: 'header', description: 'A key' },
    bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
    oauth: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: 'https://geo.example/token', scopes: { plan: 'Plan routes' } } } },
    oidc: { type: 'openIdConnect', openIdConnectUrl: 'https://accounts.example/.well-known/openid-configuration' },
    mutual: { type: 'mutualTLS' },
  },
  security: [{ oauth: ['plan'] }, { key: [], mutual: [] }],
  supportsAuthenticatedExtendedCard: true,
  skills: [{ ...skill, security: [{ oauth: ['plan'] }] }],
  signatures: [
    {
      protected: 'eyJhbGciOiJFUzI1NiJ9',
      signature: 'c2lnbmF0dXJl',
    },
  ],
};

export const cardV10 = {
  ...common,
  supportedInterfaces: [
    { url: 'https://geo.example/a2a/v1', protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: 'maps' },
    { url: 'https://geo.example/a2a/json', protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
  ],
  capabilities: { streaming: true, pushNotifications: true, extendedAgentCard: true },
  securitySchemes: {
    oidc: { openIdConnectSecurityScheme: { openIdConnectUrl: 'https://accounts.example/.well-known/openid-configuration' } },
  },
  securityRequirements: [{ schemes: { oidc: { list: ['openid'] } } }],
  skills: [{ ...skill, securityRequirements: [{ schemes: { oidc: { list: ['openid'] } } }] }],
  signatures: [{ protected: 'eyJhbGciOiJFUzI1NiJ9', signature: 'c2lnbmF0dXJl' }],
  'x-own-field': { kept: true },
};
