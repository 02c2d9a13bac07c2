// Checking a call's parameters against the JSON Schema of its tool. Schemas are compiled once.
import type { ValidateFunction } from 'ajv';
import type { Tool } from '../catalog/provider.ts';
import type { Fault } from '../errors/problem.ts';

type Compile = (schema: Tool['parameters']) => ValidateFunction;

let compiler: Promise<Compile> | undefined;
const compiled = new WeakMap<Tool, ValidateFunction>();

async function open(): Promise<Compile> {
  const { Ajv2020 } = await import('./ajv.ts');
  const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
  return (schema) => ajv.compile(schema);
}

/** What is wrong with the parameters, with pointers into them; nothing when they fit. */
export async function checkParameters(tool: Tool, parameters: unknown): Promise<Fault[]> {
  let validate = compiled.get(tool);
  if (!validate) {
    compiler ??= open();
    validate = (await compiler)(tool.parameters);
    compiled.set(tool, validate);
  }
  if (validate(parameters)) return [];
  return (validate.errors ?? [])
    .slice(0, 20)
    .map(({ instancePath, message }) => ({ pointer: `/parameters${instancePath}`, message: message ?? 'does not fit' }));
}
