// Log lines: over a run with good calls, refusals and attempts, every line of a host is one JSON object of one schema, and so is the copy of the audit trail.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { Event } from '../../shared/ledger/event.ts';
import { cardOf, dataFolder, type FlowGrid, newTenant, startFlowGrid, until } from '../flowgrid.ts';
import { Asker } from '../functions/asker.ts';

/** As docs/operations.md says. */
const LogLine = z
  .object({
    at: z.iso.datetime(),
    level: z.enum(['debug', 'info', 'warn', 'error']),
    tenantId: z.string().min(1),
    message: z.string().min(1),
  })
  .catchall(z.union([z.string(), z.number(), z.boolean()]));

const folder = dataFolder();
const sink = join(folder.path, 'audit.ndjson');
let flowGrid: FlowGrid;

beforeAll(async () => {
  vi.stubEnv('FLOWGRID_LOG_LEVEL', 'debug');
  vi.stubEnv('FLOWGRID_AUDIT_SINK', `file:${sink}`);
  flowGrid = await startFlowGrid(folder.path, '--ephemeral');
  vi.unstubAllEnvs();
});
afterAll(async () => {
  await flowGrid?.stop();
  folder.remove();
});

test('are of one schema, and the audit trail goes to its sink as well', async () => {
  const tenant = await newTenant(flowGrid.local);
  const owner = new Asker(flowGrid.local.api, tenant.key);
  await owner.post('/api/registry/agents/one/register', { card: cardOf('one') });
  await owner.ask('GET', '/tenants/acme/audit');
  await owner.ask('GET', '/api/auth/whoami', { headers: { 'x-tenant-id': 'globex' } });
  await new Asker(flowGrid.local.api, 'fg_garbage').ask('GET', '/api/auth/whoami');

  const wanted = ['tenant.created', 'agent.registered', 'security.cross_tenant'];
  let events: Event[] = [];
  await until('the sink has them', async () => {
    events = readFileSync(sink, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => Event.parse(JSON.parse(line)))
      .filter(({ tenantId }) => tenantId === tenant.id);
    return wanted.every((action) => events.some((event) => event.action === action));
  });
  await until('the attempt is in the log', async () => flowGrid.output.includes('cross-tenant attempt'));

  const lines = flowGrid.output.split('\n').filter((line) => line.startsWith('{'));
  for (const line of lines) expect(() => LogLine.parse(JSON.parse(line)), line).not.toThrow();
  expect(
    lines.map((line) => LogLine.parse(JSON.parse(line))).some(({ tenantId, level }) => tenantId === tenant.id && level === 'error'),
  ).toBe(true);
  expect(flowGrid.output).not.toContain(tenant.key);
});
