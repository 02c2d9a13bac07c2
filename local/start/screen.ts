// What is on the screen when everything serves.
import { relative } from 'node:path';
import type { LocalJson } from './local-json.ts';
import type { Options } from './options.ts';

export function screen(local: Partial<LocalJson>, file: string, options: Options, seconds: number): string {
  const shown = relative(process.cwd(), file);
  if (options.only) return `\n  FlowGrid: ${options.only} is ready after ${seconds.toFixed(1)} s. Addresses and keys: ${shown}\n\n`;
  const first = local.tenants?.[0];
  const rows: [string, string][] = [
    ['API', (local.hosts ?? []).join('  ')],
    ['API reference', `${local.api}/api/docs`],
    ['Platform key', local.platformKey ?? ''],
    ...(local.tenants ?? []).map(({ id, apiKey }): [string, string] => [`Tenant ${id}`, apiKey]),
    ['Everything else', shown],
    ['Data', options.ephemeral ? 'kept until you stop' : `kept in ${relative(process.cwd(), options.data) || options.data}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, value]) => `  ${name.padEnd(width)}   ${value}`).join('\n');
  return `
  FlowGrid is ready after ${seconds.toFixed(1)} s.

${table}

  Try, in another terminal:

    npm run demo

    curl -s -H 'X-API-Key: ${first?.apiKey}' ${local.api}/api/registry/agents

  Ctrl-C stops.

`;
}
