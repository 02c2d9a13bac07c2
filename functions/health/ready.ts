// Whether the services this process stands on answer it.
import * as z from 'zod';
import { now, wait } from '../../shared/clock/clock.ts';
import { openHttp } from '../../shared/context/http.ts';
import { reply } from '../../shared/context/reply.ts';

const Readiness = z.object({
  status: z.enum(['ready', 'unavailable']),
  dependencies: z.array(z.object({ name: z.string(), status: z.enum(['ok', 'failed']), latencyMs: z.number() })),
});

const patienceMs = 3_000;

async function check(name: string, ping: () => Promise<void>): Promise<z.infer<typeof Readiness>['dependencies'][number]> {
  const start = now();
  const late = wait(patienceMs).then(() => 'failed' as const);
  const status = await Promise.race([
    late,
    ping().then(
      () => 'ok' as const,
      () => 'failed' as const,
    ),
  ]);
  return { name, status, latencyMs: now() - start };
}

export const ready = openHttp({
  name: 'health-ready',
  route: 'GET /api/ready',
  summary: 'Readiness',
  answers: { 200: Readiness, 503: Readiness },
  handle: async (_, { platformDocuments, bus, vault }) => {
    const dependencies = await Promise.all([
      check('cosmos', () => platformDocuments.ping()),
      check('serviceBus', () => bus.ping()),
      check('keyVault', () => vault.ping()),
    ]);
    const ok = dependencies.every(({ status }) => status === 'ok');
    return reply(ok ? 200 : 503, { status: ok ? 'ready' : 'unavailable', dependencies }, ok ? {} : { 'retry-after': '1' });
  },
});
