// A container: its definition as a client gives it, and what the twin derives from it.
import * as z from 'zod';
import { IndexingPolicy } from './indexing-policy.ts';
import { isObject, type Json } from './json.ts';
import { invalid } from './refusal.ts';

/** Names of databases and containers. */
export const ResourceId = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^/\\?#]*[^/\\?# ]$/, 'must not hold / \\ ? or #, nor end with a space');

const PartitionPath = z.string().regex(/^(\/[A-Za-z_][A-Za-z0-9_]*)+$/, 'the twin takes paths of plain names only, as /tenantId or /a/b');

const PartitionKeyDefinition = z
  .strictObject({
    paths: z.array(PartitionPath).min(1).max(3),
    kind: z.enum(['Hash', 'MultiHash']).default('Hash'),
    version: z.union([z.literal(1), z.literal(2)]).optional(),
  })
  .refine(({ kind, paths }) => kind === 'MultiHash' || paths.length === 1, 'several paths need the kind MultiHash')
  .refine(({ kind, version }) => kind === 'Hash' || version === 2, 'MultiHash needs version 2');

const Definition = z.strictObject({
  id: ResourceId,
  partitionKey: PartitionKeyDefinition,
  indexingPolicy: IndexingPolicy.prefault({}),
  defaultTtl: z.union([z.literal(-1), z.int().min(1).max(2_147_483_647)]).optional(),
  uniqueKeyPolicy: z.strictObject({ uniqueKeys: z.array(z.unknown()).max(0, 'unique keys are not modelled by the local twin') }).optional(),
  conflictResolutionPolicy: z
    .strictObject({
      mode: z.literal('LastWriterWins'),
      conflictResolutionPath: z.literal('/_ts').optional(),
      conflictResolutionProcedure: z.literal('').optional(),
    })
    .default({ mode: 'LastWriterWins', conflictResolutionPath: '/_ts', conflictResolutionProcedure: '' }),
});
export type Definition = z.infer<typeof Definition>;

export interface Container {
  /** Never used again, not even for a container of the same name. */
  readonly key: number;
  readonly rid: string;
  /** `dbs/{rid}/colls/{rid}/` */
  readonly self: string;
  readonly definition: Definition;
  readonly partitionPaths: readonly (readonly string[])[];
  readonly etag: string;
  /** Seconds since 1970. */
  readonly ts: number;
}

/** @throws {Refusal} 400 that names whatever the twin does not know. */
export function parseDefinition(body: Json): Definition {
  const given = isObject(body) ? Object.entries(body).filter(([name]) => !name.startsWith('_') && name !== 'geospatialConfig') : [];
  const parsed = Definition.safeParse(Object.fromEntries(given));
  if (!parsed.success) throw invalid('The container definition', parsed.error);
  return parsed.data;
}

export function partitionPaths(definition: Definition): string[][] {
  return definition.partitionKey.paths.map((path) => path.slice(1).split('/'));
}

export function describe({ rid, self, definition, etag, ts }: Container): string {
  return JSON.stringify({
    ...definition,
    geospatialConfig: { type: 'Geography' },
    _rid: rid,
    _ts: ts,
    _self: self,
    _etag: etag,
    _docs: 'docs/',
    _sprocs: 'sprocs/',
    _triggers: 'triggers/',
    _udfs: 'udfs/',
    _conflicts: 'conflicts/',
  });
}
