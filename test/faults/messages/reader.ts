// An agent in a process of its own that is killed at any moment: its one effect per message is a file named after the message, made once by whoever
// comes first. Run with the environment of an agent, EFFECTS (a folder) and REPLICA (what tells this process from others of the same agent).
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { Agent } from '../../../agent/agent.ts';
import { cardOf } from '../../flowgrid.ts';
import { fillingOf } from './content.ts';

const { EFFECTS: effects = '', REPLICA: replica = '' } = process.env;
/** What is long came as a claim, and is whole again when it is handled. */
const Note = z.object({ number: z.int(), filling: z.string() });

const { AGENT_ID: agentId = '' } = process.env;
const agent = new Agent({
  card: cardOf(agentId),
  ttlSeconds: 600,
  onProblem: (problem) => appendFileSync(join(effects, `${replica}.problems`), `${problem}\n`),
});
agent.on('note', ({ messageId, payload }) => {
  const { number, filling } = Note.parse(payload);
  if (filling.length !== fillingOf(number).length) throw new Error(`${number} is not whole`);
  try {
    closeSync(openSync(join(effects, `${number}~${messageId}`), 'wx'));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
});
await agent.run();
