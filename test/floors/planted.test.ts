// Every rule of the floors finds what breaks it, in a copy of the product with one planted file a rule.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Inspection, inspect } from '../floors.ts';

const repository = join(import.meta.dirname, '../..');
const root = mkdtempSync(join(tmpdir(), 'flowgrid-floors-'));

/** File, its one import, and what must be said of it. */
const planted: readonly (readonly [file: string, code: string, violation: string])[] = [
  ['shared/context/up.ts', "import '../../functions/tools/list.ts';", 'context-imports-up'],
  ['shared/registry/up.ts', "import type { Reply } from '../context/reply.ts'; export type Up = Reply;", 'concepts-imports-up'],
  ['shared/registry/composes.ts', "import { theServices } from '../compose.ts'; theServices();", 'concepts-imports-up'],
  ['shared/storage/up.ts', "await import('../ledger/ledger.ts');", 'clients-imports-up'],
  ['shared/clock/up.ts', "export { log } from '../telemetry/log.ts';", 'ground-imports-up'],
  [
    'functions/tools/deep.ts',
    "import { TenantStore } from '../../shared/storage/tenant-store.ts'; TenantStore;",
    'functions-reach-too-deep',
  ],
  ['functions/tools/composes.ts', "import { theServices } from '../../shared/compose.ts'; theServices();", 'functions-reach-too-deep'],
  ['shared/utils/anything.ts', "import { now } from '../clock/clock.ts'; now();", 'shared-is-on-a-floor'],
  [
    'shared/ledger/cosmos.ts',
    "import type { Container } from '@azure/cosmos'; export type C = Container;",
    '@azure/cosmos-outside-its-folder',
  ],
  ['shared/messaging/bus.ts', "await import('@azure/service-bus');", '@azure/service-bus-outside-its-folder'],
  ['shared/credentials/vault.ts', "import '@azure/keyvault-keys';", '@azure/keyvault-(keys|secrets)-outside-its-folder'],
  ['shared/identity/azure.ts', "import '@azure/identity';", '@azure/identity-outside-its-folder'],
  ['functions/tools/host.ts', "import { app } from '@azure/functions'; app;", '@azure/functions-outside-its-folder'],
  ['shared/tools/fetch.ts', "import { request } from 'undici'; request;", 'undici-outside-its-folder'],
  ['shared/tools/plug.ts', "import { connect } from 'node:net'; connect;", 'connection-outside-outbound'],
  ['shared/registry/card/schema.ts', "import 'ajv';", 'ajv-outside-its-folder'],
  ['functions/health/document.ts', "import 'zod-openapi';", 'zod-openapi-outside-its-folder'],
  ['shared/tenancy/forge.ts', "import { TenantScope } from '../scope/maker.ts'; TenantScope;", 'scope-made-elsewhere'],
  ['agent/reads.ts', "import { TenantId } from '../shared/scope/ids.ts'; TenantId;", 'agent-shares-more'],
  [
    'shared/registry/agent-sdk.ts',
    "import type { Agent } from '../../agent/agent.ts'; export type A = Agent;",
    'control-plane-imports-agent',
  ],
  ['shared/clock/twin.ts', "import '../../local/http.ts';", 'product-imports-tools'],
  ['shared/tools/develops.ts', "import 'fast-check';", 'no-dependency-of-ours'],
  ['shared/tools/borrows.ts', "import '@azure/core-auth';", 'no-dependency-of-ours'],
  ['shared/quota/one.ts', "import './two.ts';", 'cycle'],
  ['shared/quota/nowhere.ts', "import './gone.ts';", 'does-not-resolve'],
];

let clean: Inspection;
let dirty: Inspection;

beforeAll(async () => {
  for (const path of ['functions', 'shared', 'agent', 'package.json', 'local/http.ts'])
    cpSync(join(repository, path), join(root, path), { recursive: true });
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'));
  clean = await inspect(root);
  for (const [file, code] of planted) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), `${code}\n`);
  }
  writeFileSync(join(root, 'shared/quota/two.ts'), "import './one.ts';\n"); // the other half of the cycle, which is told once
  dirty = await inspect(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

it.each(planted)('%s', (file, _, rule) => {
  const found = dirty.violations.filter((violation) => violation.includes(`: ${file} → `));
  expect(found.map((violation) => violation.split(': ', 1)[0])).toEqual([rule]);
});

it('finds nothing else', () => {
  expect(clean.violations).toEqual([]);
  expect(dirty.violations).toHaveLength(planted.length);
});
