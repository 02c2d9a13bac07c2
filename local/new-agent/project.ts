// The project of a new agent: the template under its name, and links to the packages it needs, as `npm install` would make them.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentId } from '../../shared/scope/ids.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const template = join(root, 'local/new-agent/template');
/** What npm would not pack under its own name. */
const renamed = { gitignore: '.gitignore', 'env.example': '.env.example' };
const tools = ['@types/node', 'node', 'typescript'];
const commands = { node: 'node/bin/node', tsc: 'typescript/bin/tsc' };

/** Writes the project into a folder that is not there yet. Answers why not, where it does not. */
export function writeProject(name: string, folder: string): string | undefined {
  if (!AgentId.safeParse(name).success)
    return `"${name}" is no name for an agent: 2 to 64 small letters, digits and single hyphens between them, and not a reserved word`;
  if (existsSync(folder)) return `${folder} is there already`;
  cpSync(template, folder, { recursive: true });
  for (const [from, to] of Object.entries(renamed)) renameSync(join(folder, from), join(folder, to));
  const title = name.replace(/(^|-)(.)/g, (_, hyphen: string, letter: string) => `${hyphen && ' '}${letter.toUpperCase()}`);
  for (const file of filesOf(folder)) {
    const text = readFileSync(file, 'utf8');
    // In the names of queues, hyphens of an agent are written as `_`.
    const named = text.replaceAll('my-agent', name).replaceAll('my_agent', name.replaceAll('-', '_')).replaceAll('My Agent', title);
    writeFileSync(file, named);
  }
  // Where the links of `npm install` are resolved from.
  const repository = relative(realpathSync(folder), realpathSync(root));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(packageOf(name, repository), null, 2)}\n`);
  link(folder);
  return undefined;
}

function packageOf(name: string, repository: string): object {
  // Ours, whose shape is known.
  const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: Record<string, string> };
  return {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: '>=24.2' },
    scripts: { start: 'node --env-file-if-exists=.env src/agent.ts', test: 'node --test', types: 'tsc -p .' },
    dependencies: { flowgrid: `file:${repository}` },
    devDependencies: Object.fromEntries(tools.map((tool) => [tool, ours.devDependencies[tool]])),
  };
}

/**
 * Node strips no types under node_modules, but it goes by where a link leads: `flowgrid/agent` runs from this repository, with the packages installed
 * here. So the project runs at once, and nothing is downloaded.
 */
function link(folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  mkdirSync(join(modules, '@types'));
  symlinkSync(root, join(modules, 'flowgrid'), 'dir');
  for (const tool of tools) symlinkSync(join(root, 'node_modules', tool), join(modules, tool), 'dir');
  for (const [command, file] of Object.entries(commands)) symlinkSync(join('..', file), join(modules, '.bin', command));
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
