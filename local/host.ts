// A Functions host's process: the app's TypeScript as it is, under the local host.
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startFunctionsHost } from './functions-host/host.ts';
import { onOrders, reportReady } from './start/orders.ts';

interface Orders {
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

const root = fileURLToPath(new URL('..', import.meta.url));

// The SDKs take most of a start; they are read while the twin starts, before the orders come.
await import('@azure/cosmos');
await import('@azure/service-bus');
await import('@azure/keyvault-keys');
await import('@azure/keyvault-secrets');

onOrders<Orders>(async ({ port, settings }) => {
  const host = await startFunctionsHost({ root, port, settings, load });
  reportReady({ http: host.port });
  return () => host.stop(8_000);
});

async function load(): Promise<void> {
  const { ensureInfrastructure } = await import('./start/infrastructure.ts');
  await ensureInfrastructure();
  for (const file of globSync('functions/**/*.ts', { cwd: root }).sort()) await import(new URL(`../${file}`, import.meta.url).href);
}
