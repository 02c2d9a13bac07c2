// `npm run bench -- [name] [--json]`: every figure beside its floor, both measured in this run.
import { parseArgs } from 'node:util';
import type { Figure } from './figure.ts';

const benches: Record<string, () => Promise<{ bench: () => Promise<Figure[]> }>> = {
  'functions-host': () => import('./functions-host.ts'),
  auth: () => import('./auth.ts'),
  pipeline: () => import('./pipeline.ts'),
  policy: () => import('./policy.ts'),
  'external-tokens': () => import('./external-tokens.ts'),
  tokens: () => import('./tokens.ts'),
  cosmos: () => import('./cosmos.ts'),
  'service-bus': () => import('./service-bus.ts'),
  ledger: () => import('./ledger.ts'),
  victim: () => import('./victim.ts'),
};

const { values, positionals } = parseArgs({ options: { json: { type: 'boolean', default: false } }, allowPositionals: true });
const unknown = positionals.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`No such benchmark: ${unknown.join(', ')}. There are: ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}

let allHold = true;
for (const [name, load] of Object.entries(benches)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const { bench } = await load();
  for (const figure of await bench()) {
    allHold &&= figure.holds;
    process.stdout.write(values.json ? `${JSON.stringify(figure)}\n` : line(figure));
  }
}
process.exitCode = allHold ? 0 : 1;

function line({ name, value, unit, floor, ratio, goal, holds }: Figure): string {
  const number = (figure: number) => figure.toLocaleString('en', { maximumFractionDigits: figure < 10 ? 2 : 0 });
  return `${holds ? '\u2713' : '\u2717'} ${name.padEnd(44)} ${number(value)} ${unit}, floor ${number(floor)}: ratio ${ratio.toFixed(2)}, goal ${goal}\n`;
}
