// `npm run floors`: the product's imports against the rules of .dependency-cruiser.mjs.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';

export interface Inspection {
  /** `rule: from → to`, in order. */
  readonly violations: readonly string[];
  readonly modules: number;
  readonly imports: number;
}

const repository = join(import.meta.dirname, '..');
const product = ['functions', 'shared', 'agent'];

/** Inspects the product's folders in `root`. Throws when not every file there was seen: a tool that reads nothing finds nothing. */
export async function inspect(root: string): Promise<Inspection> {
  const options: ICruiseOptions = await extractDepcruiseOptions(join(repository, '.dependency-cruiser.mjs'));
  const { output } = await cruise(product, { ...options, baseDir: root });
  // Without an output type the answer is the result itself.
  const { modules, summary } = output as ICruiseResult;
  const ours = modules.filter(({ source }) => product.some((folder) => source.startsWith(`${folder}/`)));
  const files = globSync(
    product.map((folder) => `${folder}/**/*.ts`),
    { cwd: root },
  );
  const imports = ours.flatMap(({ dependencies }) => dependencies).length;
  if (ours.length !== files.length || imports < files.length) {
    throw new Error(`${files.length} files, but ${ours.length} modules with ${imports} imports were read`);
  }
  const violations = summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`).sort();
  return { violations, modules: ours.length, imports };
}

if (import.meta.main) {
  const { violations, modules, imports } = await inspect(repository);
  for (const violation of violations) console.error(violation);
  console.log(`${modules} modules, ${imports} imports, ${violations.length} against the rules`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}
