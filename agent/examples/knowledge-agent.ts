// Seed 001's knowledge agent: answers `knowledge.search`, having written down what it found with its tenant's own Notion credential.
// Run it with the environment that FlowGrid gives it: `node agent/examples/knowledge-agent.ts`.
import * as z from 'zod';
import { Agent } from '../agent.ts';
import { type Tell, tellOnOutput } from './tell.ts';

const Question = z.object({ query: z.string(), context: z.object({ incidentId: z.string() }).optional() });

export function knowledgeAgent(environment: Readonly<Record<string, string | undefined>>, tell: Tell): Agent {
  const agent = new Agent(
    {
      ttlSeconds: 600,
      card: {
        name: 'Knowledge Agent',
        description: 'Finds what is known about a question and writes it down.',
        version: '1.0.0',
        supportedInterfaces: [{ url: 'https://agents.example/knowledge', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
        capabilities: {},
        defaultInputModes: ['application/json'],
        defaultOutputModes: ['application/json'],
        skills: [
          { id: 'search_knowledge_base', name: 'Search the knowledge base', description: 'Answers a question.', tags: ['knowledge'] },
        ],
      },
    },
    environment,
  );
  return agent.on('knowledge.search', async (question) => {
    const { query } = Question.parse(question.payload);
    const page = await agent.invokeTool<{ id: string }>(
      'notion.createPage',
      {
        parent: { page_id: 'knowledge-base' },
        properties: { title: { title: [{ text: { content: `Known about: ${query}` } }] } },
      },
      // The question may come twice; the page is written once.
      { idempotencyKey: question.messageId },
    );
    await agent.reply(question, 'knowledge.found', { query, page: page.id });
    tell({ event: 'answered', from: question.agentId, messageId: question.messageId, page: page.id });
  });
}

if (import.meta.main) await knowledgeAgent(process.env, tellOnOutput).run(() => tellOnOutput({ event: 'ready' }));
