// Blob Storage through the unmodified SDK, against the twin or the account of FLOWGRID_TEST_BLOBS_CONNECTION.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BlobClient,
  BlobSASPermissions,
  BlobServiceClient,
  type ContainerClient,
  newPipeline,
  RestError,
  StorageSharedKeyCredential,
} from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { accountName, startBlobs } from '../../../local/blobs/start.ts';
import { Faults } from '../../../local/faults.ts';
import { type PartProcess, startPartProcess } from '../part-process.ts';

const { FLOWGRID_TEST_BLOBS_CONNECTION: real } = process.env;
const accountKey = randomBytes(64).toString('base64');
const faults = new Faults();
const folders: string[] = [];
let stop = async () => {};
let container: ContainerClient;

function serviceAt(port: number, key = accountKey): BlobServiceClient {
  const credential = new StorageSharedKeyCredential(accountName, key);
  return new BlobServiceClient(`http://127.0.0.1:${port}/${accountName}`, newPipeline(credential, { retryOptions: { maxTries: 1 } }));
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'flowgrid-blobs-'));
  folders.push(folder);
  return folder;
}

async function statusOf(work: Promise<unknown>): Promise<number | undefined> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RestError) return error.statusCode;
  throw error ?? new Error('it was not refused');
}

let port = 0;
beforeAll(async () => {
  let service: BlobServiceClient;
  if (real) {
    service = BlobServiceClient.fromConnectionString(real);
  } else {
    const part = await startBlobs({ folder: await makeFolder(), port: 0, durable: false, faults, accountKey });
    port = part.port;
    stop = () => part.stop();
    service = serviceAt(port);
  }
  container = service.getContainerClient(`t-${randomBytes(6).toString('hex')}`);
  await container.create();
});
afterAll(async () => {
  await container.delete();
  await stop();
  for (const folder of folders) await rm(folder, { recursive: true });
});

describe('block blobs', () => {
  it('answers what was uploaded, until it is deleted', async () => {
    const blob = container.getBlockBlobClient('a/b.bin');
    const bytes = randomBytes(300_000);
    await blob.upload(bytes, bytes.length, { blobHTTPHeaders: { blobContentType: 'application/octet-stream' } });
    expect(await blob.downloadToBuffer()).toEqual(bytes);
    expect((await blob.getProperties()).contentLength).toBe(bytes.length);
    await blob.delete();
    expect(await statusOf(blob.download())).toBe(404);
  });

  it('does not overwrite when told not to', async () => {
    const blob = container.getBlockBlobClient('once');
    const once = { conditions: { ifNoneMatch: '*' } };
    await blob.upload('first', 5, once);
    expect(await statusOf(blob.upload('other', 5, once))).toBe(409);
    expect((await blob.downloadToBuffer()).toString()).toBe('first');
  });
});

describe('append blobs', () => {
  it('grow by what is appended at the expected position', async () => {
    const blob = container.getAppendBlobClient('ledger');
    await blob.create();
    await blob.appendBlock('one,', 4, { conditions: { appendPosition: 0 } });
    await blob.appendBlock('two', 3, { conditions: { appendPosition: 4 } });
    expect(await statusOf(blob.appendBlock('x', 1, { conditions: { appendPosition: 4 } }))).toBe(412);
    expect((await blob.downloadToBuffer()).toString()).toBe('one,two');
  });
});

describe('access', () => {
  it('lets a SAS read its one blob, and nothing else', async () => {
    const blob = container.getBlockBlobClient('claim');
    await blob.upload('claimed', 7);
    await container.getBlockBlobClient('other').upload('hidden', 6);
    const url = await blob.generateSasUrl({ permissions: BlobSASPermissions.parse('r'), expiresOn: new Date(Date.now() + 60_000) });
    expect((await new BlobClient(url).downloadToBuffer()).toString()).toBe('claimed');
    expect(await statusOf(new BlobClient(url.replace('/claim?', '/other?')).download())).toBe(403);
    expect(await statusOf(new BlobClient(url).delete())).toBe(403);
    const expired = await blob.generateSasUrl({ permissions: BlobSASPermissions.parse('r'), expiresOn: new Date(Date.now() - 60_000) });
    expect(await statusOf(new BlobClient(expired).download())).toBe(403);
  });

  it.skipIf(real)('is refused with another account key, the well-known one included', async () => {
    const wellKnown = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
    expect(await statusOf(serviceAt(port, wellKnown).getProperties())).toBe(403);
  });
});

describe.skipIf(real)('faults', () => {
  afterEach(() => faults.set([]));

  it('are played in the words of Blob Storage', async () => {
    const blob = container.getBlockBlobClient('fault');
    faults.set([{ service: 'blobs', match: '^PUT ', rate: 1, effect: '429' }]);
    await expect(blob.upload('x', 1)).rejects.toMatchObject({ statusCode: 503, code: 'ServerBusy' });
    expect(await blob.exists()).toBe(false);
    faults.set([{ service: 'blobs', rate: 1, effect: '500' }]);
    await expect(blob.upload('x', 1)).rejects.toMatchObject({ statusCode: 500, code: 'InternalError' });
    faults.set([{ service: 'blobs', rate: 1, effect: 'drop' }]);
    await expect(blob.upload('x', 1)).rejects.toThrow();
  });
});

describe.skipIf(real)('after kill -9', () => {
  let part: PartProcess | undefined;
  afterAll(() => part?.kill());

  it('everything that was acknowledged is there, whole', async () => {
    const folder = await makeFolder();
    const start = async () => {
      part = await startPartProcess('local/blobs/start.ts', 'startBlobs', { folder, accountKey });
      return { part, container: serviceAt(part.port).getContainerClient('ledgers') };
    };
    const before = await start();
    await before.container.create();
    const acknowledged = new Map<string, string>();
    let writes = 0;
    const write = async (writer: number) => {
      const ledger = before.container.getAppendBlobClient(`ledger-${writer}`);
      await ledger.create();
      for (let i = 0; ; i++) {
        const text = `${writer}-${i}`;
        await before.container.getBlockBlobClient(`blob-${text}`).upload(text, text.length);
        acknowledged.set(`blob-${text}`, text);
        await ledger.appendBlock(`${text};`, text.length + 1);
        acknowledged.set(ledger.name, `${acknowledged.get(ledger.name) ?? ''}${text};`);
        writes += 2;
        if (writes >= 60) void before.part.kill();
      }
    };
    await Promise.allSettled(Array.from({ length: 4 }, (_, writer) => write(writer)));
    expect(writes).toBeGreaterThanOrEqual(60);

    const after = await start();
    for (const [name, text] of acknowledged) {
      const found = (await after.container.getBlobClient(name).downloadToBuffer()).toString();
      // What was on its way when the process died may be there too.
      expect(found.startsWith(text), `${name}: ${found}`).toBe(true);
    }
  });
});
