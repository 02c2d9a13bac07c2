// A Functions host's process: the app's TypeScript as it is, or the bundle that FLOWGRID_LOCAL_APP names, under the local host.
import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { startFunctionsHost } from './functions-host/host.ts';
import { onOrders, reportReady } from './start/orders.ts';

interface Orders {
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

const root = fileURLToPath(new URL('..', import.meta.url));

const bundle = process.env['FLOWGRID_LOCAL_APP'];
// It is this host's, and no setting of the app.
delete process.env['FLOWGRID_LOCAL_APP'];

// The SDKs take most of a start; they are read while the twin starts, before the orders come. A bundle has its own.
if (bundle === undefined) {
  await import('@azure/cosmos');
  await import('@azure/service-bus');
  await import('@azure/keyvault-keys');
  await import('@azure/keyvault-secrets');
}

onOrders<Orders>(async ({ port, settings }) => {
  const host = await startFunctionsHost({ root, port, settings, load });
  reportReady({ http: host.port });
  return () => host.stop(8_000);
});

async function load(): Promise<void> {
  const { ensureInfrastructure } = await import('./start/infrastructure.ts');
  await ensureInfrastructure();
  if (bundle !== undefined) return void (await import(pathToFileURL(resolve(bundle)).href));
  for (const file of globSync('functions/**/*.ts', { cwd: root }).sort()) await import(new URL(`../${file}`, import.meta.url).href);
}
