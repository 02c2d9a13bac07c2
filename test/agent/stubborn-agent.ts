// An agent whose handler never ends, for the test of how its process does. Its one argument is `drainMs`.
import { Agent } from '../../agent/agent.ts';
import { cardOf } from '../flowgrid.ts';

const agent = new Agent({ card: cardOf('Stubborn'), drainMs: Number(process.argv[2]) });
agent.on('note', () => {
  console.log('begun');
  return new Promise(() => undefined);
});
await agent.run(() => console.log('ready'));
