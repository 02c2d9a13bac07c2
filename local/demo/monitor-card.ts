// Where the demo's incidents come from: an agent that only sends. Nothing of it runs.

/** An A2A 1.0 card. */
export const monitorCard = {
  name: 'Monitoring',
  description: 'Tells of incidents.',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'https://agents.example/monitoring', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {},
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json'],
  skills: [{ id: 'tell_incidents', name: 'Tell incidents', description: 'Tells of what goes wrong.', tags: ['incident'] }],
};
