// Transactional batches: all of it or nothing, https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch.
import * as z from 'zod';
import type { Account } from './call.ts';
import type { Container } from './container.ts';
import { asItem } from './item-body.ts';
import type { Operation, Outcome } from './items.ts';
import type { Json } from './json.ts';
import { fullKey, mismatch, type PartitionKey } from './partition-key.ts';
import { parsePatch } from './patch.ts';
import { invalid, Refusal } from './refusal.ts';
import type { Reply } from './reply.ts';

const BatchOperation = z.strictObject({
  operationType: z.enum(['Create', 'Upsert', 'Read', 'Replace', 'Delete', 'Patch']),
  id: z.string().default(''),
  resourceBody: z.custom<Json>().default(null),
  partitionKey: z.string().optional(),
  ifMatch: z.string().optional(),
});
const Batch = z.array(BatchOperation).min(1).max(100, 'Batch request has more operations than what is supported: 100');

/** @throws {Refusal} 400 for the batch as a whole. */
export function parseBatch(container: Container, partition: PartitionKey, body: Json): Operation[] {
  const parsed = Batch.safeParse(body);
  if (!parsed.success) throw invalid('The batch', parsed.error);
  for (const { partitionKey } of parsed.data) {
    if (partitionKey !== undefined && fullKey(container, partitionKey) !== partition) throw mismatch();
  }
  return parsed.data.map(operationOf);
}

function operationOf({ operationType, id, resourceBody, ifMatch }: z.infer<typeof BatchOperation>): Operation {
  switch (operationType) {
    case 'Create':
      return { kind: 'create', body: asItem(resourceBody), ifMatch };
    case 'Upsert':
      return { kind: 'upsert', body: asItem(resourceBody), ifMatch };
    case 'Read':
      return { kind: 'read', id, ifMatch };
    case 'Replace':
      return { kind: 'replace', id, body: asItem(resourceBody), ifMatch };
    case 'Delete':
      return { kind: 'delete', id, ifMatch };
    case 'Patch':
      return { kind: 'patch', id, patch: parsePatch(resourceBody), ifMatch };
  }
}

/** @param minimal leave the items out of the answer (`Prefer: return=minimal`). */
export async function runBatch(
  { database, items }: Account,
  container: Container,
  partition: PartitionKey,
  operations: readonly Operation[],
  minimal: boolean,
): Promise<Reply> {
  const outcomes: Outcome[] = [];
  try {
    await database.write(() => {
      for (const operation of operations) outcomes.push(items.perform(container, partition, operation));
    });
    const charge = outcomes.reduce((sum, outcome) => sum + outcome.charge, 0);
    return { status: 200, body: `[${outcomes.map((outcome) => resultOf(outcome, minimal)).join(',')}]`, charge };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const results = operations.map((_, i) => (i === outcomes.length ? failure(error.status, error.substatus) : failure(424, 0)));
    return { status: 207, body: `[${results.join(',')}]`, charge: operations.length };
  }
}

function resultOf({ status, charge, etag, body }: Outcome, minimal: boolean): string {
  const tag = etag === undefined ? '' : `,"eTag":${JSON.stringify(etag)}`;
  return `{"statusCode":${status},"requestCharge":${charge}${tag}${body === undefined || minimal ? '' : `,"resourceBody":${body}`}}`;
}

function failure(status: number, substatus: number): string {
  return JSON.stringify({ statusCode: status, subStatusCode: substatus, requestCharge: 1 });
}
