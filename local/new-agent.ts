// `npm run new:agent -- <name>`: a small agent of one's own, in a folder where one stands. It runs and its test passes as it is.
import { join, relative, resolve } from 'node:path';
import { writeProject } from './new-agent/project.ts';

const [name = '', ...more] = process.argv.slice(2);
// npm changes into the folder of its package.json and tells here where it was called.
const here = process.env['INIT_CWD'] ?? process.cwd();
const problem = more.length > 0 ? `one name, not ${more.length + 1}` : writeProject(name, resolve(here, name));
if (problem !== undefined) {
  console.error(`No agent was made: ${problem}.\n\nnpm run new:agent -- <name>`);
  process.exit(2);
}
const folder = relative(here, join(here, name));
process.stdout.write(`
  ${folder}/ is an agent.

    cd ${folder}
    npm test
    cat README.md       how to give it an environment, run it and talk to it

`);
