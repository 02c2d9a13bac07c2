// Settings that hold: those of the example file, against a twin that is not there.
import { readFileSync } from 'node:fs';

const example = new URL('../../../local.settings.example.json', import.meta.url);

/** The values of local.settings.example.json. */
export const exampleValues: Readonly<Record<string, string>> = JSON.parse(readFileSync(example, 'utf8')).Values;

/** The same on ports where nothing listens. */
export const settings: Readonly<Record<string, string>> = {
  ...exampleValues,
  FLOWGRID_COSMOS_ENDPOINT: 'http://127.0.0.1:1',
  FLOWGRID_KEYVAULT_URL: 'http://127.0.0.1:1',
};
