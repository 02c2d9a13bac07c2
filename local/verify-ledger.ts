// `npm run verify-ledger -- export.ndjson [--key <jwks file>]`: checks an exported ledger on any machine, with nothing but the file and the public key. It lies
// here because it is a tool that is run by hand and never deployed; what it checks with is the product's own (`shared/ledger`), which is pure.
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { PublicKey, thumbprint } from '../shared/ledger/checkpoint.ts';
import { Line, LineCheck } from '../shared/ledger/lines.ts';

const usage = `npm run verify-ledger -- <export.ndjson> [--key <jwks file>]
  --key  the keys to trust (a JWK, or a JWKS); without it those in the export are taken, which proves only that it is whole in itself
  exit   0: it verifies; 1: it does not; 2: it could not be read`;

/** What can be said to whoever runs it; anything else that goes wrong is a bug. */
class Unreadable extends Error {}

interface Verdict {
  readonly check: LineCheck;
  readonly tenantId: string;
  readonly at: string;
  readonly keys: readonly PublicKey[];
  readonly pinned: boolean;
}

async function verify(file: string, keyFile: string | undefined): Promise<Verdict> {
  const keys = keyFile === undefined ? [] : readKeys(keyFile);
  let check: LineCheck | undefined;
  let header: (Line & { type: 'ledger' }) | undefined;
  let number = 0;
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    const line = readLine(text, number);
    // A walk that was taken up again says again what it began with.
    if (line.type === 'ledger') header ??= line;
    else if (line.type === 'key') {
      if (keyFile === undefined && !check) keys.push(line.key);
    } else {
      if (!header) throw new Unreadable('it does not begin as an export does');
      check ??= new LineCheck(header.tenantId, keys);
      if (check.broken) break;
      check.take(line);
    }
  }
  if (!header || !check) throw new Unreadable('it holds no ledger');
  return { check, tenantId: header.tenantId, at: header.at, keys, pinned: keyFile !== undefined };
}

function readLine(text: string, number: number): Line {
  const parsed = Line.safeParse(parse(text));
  if (!parsed.success) throw new Unreadable(`line ${number} is none of an export`);
  return parsed.data;
}

function readKeys(file: string): PublicKey[] {
  const Keys = z.union([z.object({ keys: z.array(z.unknown()) }).transform(({ keys }) => keys), PublicKey.transform((key) => [key])]);
  const parsed = Keys.safeParse(parse(readFileSync(file, 'utf8')));
  const keys = (parsed.data ?? []).flatMap((key) => PublicKey.safeParse(key).data ?? []);
  if (keys.length === 0) throw new Unreadable(`${file} holds no public key on P-256`);
  return keys;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function faultOf({ broken, ended, checkpoints }: LineCheck): string | undefined {
  if (broken) return `BROKEN   lane ${broken.lane}, sequence number ${broken.seq}: ${broken.reason}`;
  if (!ended) return 'CUT OFF  the last line is missing';
  // Every export begins with a checkpoint made for it, so one without has been written, or shortened, by somebody else.
  return checkpoints.seq === 0 ? 'UNSIGNED there is no signed checkpoint in it' : undefined;
}

function report({ check, tenantId, at, keys, pinned }: Verdict): string {
  const { chain, checkpoints } = check;
  const verdict = faultOf(check) ?? 'VERIFIED every segment follows the one before, and every lane is whole';
  return [
    `ledger   ${tenantId}, as of ${at}`,
    ...keys.map((key) => `key      ${thumbprint(key)} (${pinned ? 'yours' : 'from the export: compare it with the one you know'})`),
    `read     ${chain.lanes} lanes, ${chain.events} events, ${checkpoints.seq} signed checkpoints`,
    verdict,
    '',
  ].join('\n');
}

const { values, positionals } = parseArgs({ options: { key: { type: 'string' } }, allowPositionals: true });
const [file, ...more] = positionals;
if (file === undefined || more.length > 0) {
  console.error(usage);
  process.exit(2);
}
try {
  const verdict = await verify(file, values.key);
  process.stdout.write(report(verdict));
  process.exitCode = faultOf(verdict.check) === undefined ? 0 : 1;
} catch (error) {
  const known = error instanceof Unreadable || (error instanceof Error && 'code' in error && typeof error.code === 'string');
  if (!known) throw error;
  console.error(`${file} could not be checked: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 2;
}
