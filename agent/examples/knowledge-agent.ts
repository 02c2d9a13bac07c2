// Seed 001's knowledge agent: answers `knowledge.search` by writing down what it found, with its tenant's own Notion credential.
// Run it with the environment that FlowGrid gives it: `node agent/examples/knowledge-agent.ts`.
import * as z from 'zod';
import { Agent } from '../agent.ts';

const Question = z.object({ query: z.string() });

const agent = new Agent({
  ttlSeconds: 600,
  card: {
    name: 'Knowledge Agent',
    description: 'Finds what is known about a question and writes it down.',
    version: '1.0.0',
    supportedInterfaces: [{ url: 'https://agents.example/knowledge', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    capabilities: {},
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: [{ id: 'search_knowledge_base', name: 'Search the knowledge base', description: 'Answers a question.', tags: ['knowledge'] }],
  },
});

agent.on('knowledge.search', async ({ payload, agentId, messageId }) => {
  const { query } = Question.parse(payload);
  const page = await agent.invokeTool<{ id: string }>('notion.createPage', {
    parent: { page_id: 'knowledge-base' },
    properties: { title: { title: [{ text: { content: `Known about: ${query}` } }] } },
  });
  process.stdout.write(`${JSON.stringify({ event: 'answered', from: agentId, messageId, page: page.id })}\n`);
});

await agent.start();
process.stdout.write(`${JSON.stringify({ event: 'ready', agentId: agent.environment.agentId })}\n`);

process.once('SIGTERM', () => {
  void agent.stop().then(() => process.exit(0));
});
