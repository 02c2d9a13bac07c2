// The services of a host, composed in the test's own process beside the hosts that run: what no route leads to is asked of them.

import { hostSettings } from '../../../local/start/host-settings.ts';
import type { LocalJson } from '../../../local/start/local-json.ts';
import { readOptions } from '../../../local/start/options.ts';
import { compose, type Services } from '../../../shared/compose.ts';
import { parseConfig } from '../../../shared/config/config.ts';
import type { TenantScope } from '../../../shared/scope/scope.ts';

export function servicesBeside(local: LocalJson): Services {
  const options = readOptions([]);
  if (!options.ok) throw new Error('no options are no problem');
  return compose(parseConfig({ ...hostSettings(local, local, local.api, options.value), FLOWGRID_LOG_LEVEL: 'error' }));
}

/** The scope of whom the key belongs to. */
export async function scopeOf({ authenticator, store }: Services, key: string): Promise<TenantScope> {
  await store.fresh();
  const found = await authenticator.identify({ credential: key, method: 'GET', ip: '192.0.2.1' });
  if (!found || !('kind' in found) || found.kind !== 'tenant') throw new Error('the key was refused');
  return found.scope;
}
