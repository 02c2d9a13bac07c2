// The options of `npm start` (api.md, The local start).
import { parseArgs } from 'node:util';

/** The parts of the twin, by their names in `--only` and in faults. */
export const twinParts = ['cosmos', 'serviceBus', 'keyVault', 'blobs', 'upstreams'] as const;
export type TwinPart = (typeof twinParts)[number];

export interface Options {
  /** The first host's, or the one part's; 0 takes any. */
  readonly port: number;
  /** The data folder. */
  readonly data: string;
  readonly ephemeral: boolean;
  readonly hosts: number;
  /** One part instead of everything. */
  readonly only: TwinPart | 'twin' | 'host' | undefined;
  /** The `local.json` of the twin to join. */
  readonly join: string | undefined;
  readonly strictOutbound: boolean;
}

export const usage = `npm start -- [--port 7071] [--data .flowgrid] [--ephemeral] [--hosts 1] [--strict-outbound]
             [--only ${[...twinParts, 'twin', 'host'].join('|')}] [--join <data>/local.json]`;

/** All that is wrong with the arguments at once, or what they say. */
export function readOptions(args: readonly string[]): { ok: true; value: Options } | { ok: false; problems: string[] } {
  const problems: string[] = [];
  const { tokens, values, positionals } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: {
      port: { type: 'string' },
      data: { type: 'string' },
      ephemeral: { type: 'boolean' },
      hosts: { type: 'string' },
      only: { type: 'string' },
      join: { type: 'string' },
      'strict-outbound': { type: 'boolean' },
    },
  });
  const known = new Set(['port', 'data', 'ephemeral', 'hosts', 'only', 'join', 'strict-outbound']);
  for (const token of tokens) {
    if (token.kind === 'option' && !known.has(token.name)) problems.push(`${token.rawName}: no such option`);
  }
  problems.push(...positionals.map((text) => `${text}: not an option`));

  const text = (name: 'data' | 'only' | 'join' | 'port' | 'hosts'): string | undefined => {
    const value = values[name];
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    problems.push(`--${name}: needs a value`);
    return undefined;
  };
  const whole = (name: 'port' | 'hosts', least: number, most: number, standard: number): number => {
    const value = text(name);
    if (value === undefined) return standard;
    const number = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    problems.push(`--${name}: a whole number from ${least} to ${most}, not "${value}"`);
    return standard;
  };

  const hosts = whole('hosts', 1, 8, 1);
  const only = readPart(text('only'), problems);
  // One part joins others: the well-known port is likely theirs.
  const port = whole('port', 0, 65_535, only === undefined ? 7071 : 0);
  const join = text('join');
  if (join !== undefined && only === undefined) problems.push('--join: needs --only');
  if (only === 'host' && join === undefined) problems.push('--only host: needs --join <data>/local.json');
  const value: Options = {
    port,
    hosts,
    only,
    join,
    data: text('data') ?? '.flowgrid',
    ephemeral: values['ephemeral'] === true,
    strictOutbound: values['strict-outbound'] === true,
  };
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value };
}

function readPart(name: string | undefined, problems: string[]): Options['only'] {
  if (name === undefined) return undefined;
  const parts = [...twinParts, 'twin', 'host'] as const;
  // `service-bus` is `serviceBus`, and faults call the upstreams `upstream`.
  const camel = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase()).replace(/^upstream$/, 'upstreams');
  const part = parts.find((each) => each === camel);
  if (!part) problems.push(`--only: one of ${parts.join(', ')}, not "${name}"`);
  return part;
}
