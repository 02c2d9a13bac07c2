// Every operation the twin models, by method and resource type.
import { describeAccount, describeRange } from './account.ts';
import { bodyOf, type Call } from './call.ts';
import { describeDatabase } from './catalog.ts';
import { readCharge, writeCharge } from './charge.ts';
import { describe } from './container.ts';
import { asItem } from './item-body.ts';
import { postToItems, readItem, writeItem } from './item-requests.ts';
import { parsePatch } from './patch.ts';
import { notModelled } from './refusal.ts';
import type { Reply } from './reply.ts';

/** @throws {Refusal} */
export async function answer(call: Call): Promise<Reply> {
  const { database, catalog, request, address } = call;
  const { id = '' } = address;
  refuseUnmodelled(call);
  switch (`${request.method} ${address.type}${address.id === undefined ? '' : '/id'}`) {
    case 'GET docs/id':
      return readItem(call, id);
    case 'PUT docs/id':
      return writeItem(call, { kind: 'replace', id, body: asItem(await bodyOf(call)) });
    case 'PATCH docs/id':
      return writeItem(call, { kind: 'patch', id, patch: parsePatch(await bodyOf(call)) });
    case 'DELETE docs/id':
      return writeItem(call, { kind: 'delete', id });
    case 'POST docs':
      return postToItems(call);
    case 'GET ':
      return ok(describeAccount(request.headers.host ?? ''));
    case 'GET dbs':
      return database.read(() => feed('', 'Databases', catalog.databases().map(describeDatabase)));
    case 'POST dbs': {
      const body = await bodyOf(call);
      return database.write(() => created(describeDatabase(catalog.createDatabase(body))));
    }
    case 'GET dbs/id':
      return database.read(() => ok(describeDatabase(catalog.database(id))));
    case 'DELETE dbs/id':
      await database.write(() => catalog.deleteDatabase(id));
      return deleted;
    case 'GET colls':
      return database.read(() => {
        const { rid, containers } = catalog.database(address.database);
        return feed(rid, 'DocumentCollections', [...containers.values()].map(describe));
      });
    case 'POST colls': {
      const body = await bodyOf(call);
      return database.write(() => created(describe(catalog.createContainer(address.database, body))));
    }
    case 'GET colls/id':
      return database.read(() => ok(describe(catalog.container(address.database, id, false))));
    case 'PUT colls/id': {
      const body = await bodyOf(call);
      return database.write(() => ok(describe(catalog.replaceContainer(address.database, id, body))));
    }
    case 'DELETE colls/id':
      await database.write(() => catalog.deleteContainer(address.database, id));
      return deleted;
    case 'GET pkranges':
      return database.read(() => {
        const { rid } = catalog.container(address.database, address.container);
        return feed(rid, 'PartitionKeyRanges', [describeRange(rid)]);
      });
    default:
      throw notModelled(`${request.method} of ${address.type || 'the account'}`);
  }
}

const unmodelledHeaders = Object.entries({
  'a-im': 'The change feed',
  'x-ms-documentdb-pre-trigger-include': 'A trigger',
  'x-ms-documentdb-post-trigger-include': 'A trigger',
  'x-ms-indexing-directive': 'An indexing directive',
  'x-ms-cosmos-is-client-encrypted': 'Client-side encryption',
});

/** What would change the meaning of a request if it were passed over. */
function refuseUnmodelled({ request: { headers, method }, address }: Call): void {
  if (address.operation !== undefined) throw notModelled(`The operation '${address.operation}'`);
  for (const [name, feature] of unmodelledHeaders) {
    if (headers[name] !== undefined) throw notModelled(feature);
  }
  if (headers['if-none-match'] !== undefined && method !== 'GET') throw notModelled('If-None-Match on anything but a read');
  if (address.type === 'docs') return;
  if (headers['if-match'] !== undefined) throw notModelled(`If-Match on ${address.type}`);
  if (headers['x-ms-documentdb-isquery'] !== undefined) throw notModelled(`A query over ${address.type}`);
}

const deleted: Reply = { status: 204, charge: writeCharge(0) };

function ok(body: string): Reply {
  return { status: 200, body, charge: readCharge(body.length) };
}

function created(body: string): Reply {
  return { status: 201, body, charge: writeCharge(body.length) };
}

function feed(rid: string, name: string, entries: readonly string[]): Reply {
  const body = `{"_rid":"${rid}","${name}":[${entries.join(',')}],"_count":${entries.length}}`;
  return { ...ok(body), count: entries.length };
}
