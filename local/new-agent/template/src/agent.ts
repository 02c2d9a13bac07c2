// My Agent: its card says what it can do, its handlers do it. `npm start` runs it with the environment that FlowGrid made for it.
import { Agent } from 'flowgrid/agent';

/** An A2A 1.0 card. Others find the agent by its skills and their tags. */
export const card = {
  name: 'My Agent',
  description: 'Greets whoever tells it a name.',
  version: '0.1.0',
  supportedInterfaces: [{ url: 'https://agents.example/my-agent', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {},
  defaultInputModes: ['application/json'],
  defaultOutputModes: ['application/json'],
  skills: [{ id: 'greet', name: 'Greet', description: 'Says hello.', tags: ['greeting'] }],
};

/** What is replied to `greet`. Throws on a payload that names nobody: the message comes again, and at last is a dead letter. */
export function greetingOf(payload: unknown): { text: string } {
  if (typeof payload !== 'object' || payload === null || !('name' in payload) || typeof payload.name !== 'string')
    throw new TypeError('a greeting needs { name }');
  return { text: `Hello ${payload.name}, this is My Agent.` };
}

/** Throws an EnvironmentError that lists what is wrong with the environment. */
export function makeAgent(environment: Readonly<Record<string, string | undefined>>): Agent {
  const agent = new Agent({ card }, environment);
  return agent.on('greet', async (message) => {
    await agent.reply(message, 'greeting', greetingOf(message.payload));
  });
}

if (import.meta.main) await makeAgent(process.env).run(() => console.log('My Agent is ready.'));
