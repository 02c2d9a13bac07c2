// The requests for items: read, write, batch, query.
import { queryPlan } from './account.ts';
import { parseBatch, runBatch } from './batch.ts';
import { bodyOf, type Call, containerOf, header, isSet, partitionKeyOf } from './call.ts';
import { readCharge } from './charge.ts';
import { asItem } from './item-body.ts';
import type { Operation } from './items.ts';
import type { Json } from './json.ts';
import { fullKey } from './partition-key.ts';
import { answerQuery } from './queries.ts';
import { notModelled } from './refusal.ts';
import type { Reply } from './reply.ts';

export function readItem(call: Call, id: string): Promise<Reply> {
  const { database, items, stale } = call;
  return database.read(() => {
    const container = containerOf(call);
    const outcome = items.perform(container, fullKey(container, partitionKeyOf(call)), { kind: 'read', id, stale });
    if (header(call, 'if-none-match') === outcome.etag) return { status: 304, charge: readCharge(0), etag: outcome.etag };
    return outcome;
  });
}

export function writeItem(call: Call, operation: Operation): Promise<Reply> {
  const { database, items } = call;
  return database.write(() => {
    const container = containerOf(call);
    return items.perform(container, fullKey(container, partitionKeyOf(call)), { ...operation, ifMatch: header(call, 'if-match') });
  });
}

/** What is posted to the feed of items may be an item, a batch, a query or the question for its plan. */
export async function postToItems(call: Call): Promise<Reply> {
  const { database } = call;
  const body = await bodyOf(call);
  if (isSet(call, 'x-ms-cosmos-is-query-plan-request')) return { status: 200, body: queryPlan, charge: 0 };
  if (isSet(call, 'x-ms-documentdb-isquery')) return database.read(() => answerQuery(call, body));
  if (isSet(call, 'x-ms-cosmos-is-batch-request')) return postBatch(call, body);
  return writeItem(call, { kind: isSet(call, 'x-ms-documentdb-is-upsert') ? 'upsert' : 'create', body: asItem(body) });
}

async function postBatch(call: Call, body: Json): Promise<Reply> {
  if (!isSet(call, 'x-ms-cosmos-batch-atomic')) throw notModelled('A bulk request, which is not atomic,');
  const container = containerOf(call);
  const partition = fullKey(container, partitionKeyOf(call));
  return runBatch(call, container, partition, parseBatch(container, partition, body), header(call, 'prefer') === 'return=minimal');
}
