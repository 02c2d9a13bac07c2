// A FlowGrid of a benchmark's own: started as a user would, its data gone with it; and the settings that let this process stand beside its host.
import { hostSettings } from '../local/start/host-settings.ts';
import type { LocalJson } from '../local/start/local-json.ts';
import { readOptions } from '../local/start/options.ts';
import { readSecrets } from '../local/start/secrets.ts';
import { dataFolder, startFlowGrid } from '../test/flowgrid.ts';

interface Place {
  readonly local: LocalJson;
  readonly settings: Readonly<Record<string, string>>;
}

export async function withFlowGrid<Result>(measure: (place: Place) => Promise<Result>): Promise<Result> {
  const folder = dataFolder();
  const flowGrid = await startFlowGrid(folder.path, '--ephemeral');
  try {
    const { local } = flowGrid;
    const options = readOptions([]);
    if (!options.ok) throw new Error('no options are no problem');
    return await measure({ local, settings: hostSettings(local, readSecrets(folder.path), local.api, options.value) });
  } finally {
    await flowGrid.stop();
    folder.remove();
  }
}
