// The OpenAPI document as a judge: every answer must be one that its operation announces, in the shape it announces.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import type { Answer } from './asker.ts';
import { Document, rowsOf } from './operations.ts';

interface Judge {
  readonly document: Document;
  /** Throws where the pointer leads nowhere or to no schema. */
  faultsAt(pointer: string, value: unknown): string[];
}

const judges = new Map<string, Promise<Judge>>();

/** The document of one host, read once. */
export function judgeOf(base: string): Promise<Judge> {
  const known = judges.get(base) ?? readDocument(base);
  judges.set(base, known);
  return known;
}

async function readDocument(base: string): Promise<Judge> {
  const json: unknown = await (await fetch(`${base}/api/openapi.json`)).json();
  // Formats are annotations in JSON Schema 2020-12; ours come with patterns.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema({ ...(json as object), $id: 'document' });
  return {
    document: Document.parse(json),
    faultsAt(pointer, value) {
      const validate = ajv.getSchema(`document#${pointer}`);
      if (!validate) throw new Error(`there is no schema at ${pointer}`);
      return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
    },
  };
}

/** Fails the test when the operation does not announce such an answer. Answers where no operation is, and those that pass a provider's through, are free. */
export async function holdToDocument(base: string, method: string, path: string, answer: Answer): Promise<void> {
  const { document, faultsAt } = await judgeOf(base);
  const pathname = path.split('?')[0] ?? '';
  // As the host does: a literal segment goes before a parameter in its place.
  const row = rowsOf(document)
    .filter((each) => each.method === method && matches(each.path, pathname))
    .sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
  if (!row || answer.headers.has('x-upstream-status')) return;

  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  const status = type === 'application/problem+json' ? 'default' : String(answer.status);
  const announced = row.operation.responses[status];
  expect(announced, `${row.operation.operationId} announces no ${answer.status}`).toBeDefined();
  if (!announced?.content) {
    expect(answer.body).toBeUndefined();
    return;
  }
  if (type === 'text/plain' || type === 'text/html') return;
  expect(Object.keys(announced.content)).toContain(type);
  if (!announced.content[type]?.schema) return;
  const pointer = ['paths', row.path, method.toLowerCase(), 'responses', status, 'content', type, 'schema']
    .map((part) => `/${encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
  expect(faultsAt(pointer, answer.body), `${row.operation.operationId} ${status}`).toEqual([]);
}

function matches(template: string, pathname: string): boolean {
  const wanted = template.split('/');
  const given = pathname.split('/');
  return wanted.length === given.length && wanted.every((part, at) => part.startsWith('{') || part === given[at]);
}
