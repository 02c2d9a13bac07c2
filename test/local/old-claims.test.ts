// The local start removes payloads that nobody can ask for any more, and no others.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServiceClient } from '@azure/storage-blob';
import { expect, test } from 'vitest';
import { accountName, startBlobs } from '../../local/blobs/start.ts';
import { Faults } from '../../local/faults.ts';
import { blobRequest } from '../../local/start/blob-request.ts';
import { removeOldClaims } from '../../local/start/old-claims.ts';

const dayMs = 86_400_000;

test('claims go after sixteen days', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(await mkdtemp(join(tmpdir(), 'flowgrid-claims-')), (path) => rm(path, { recursive: true }));
  const accountKey = randomBytes(64).toString('base64');
  const service = await startBlobs({ folder, port: 0, durable: false, faults: new Faults(), accountKey });
  stack.defer(() => service.stop());
  const endpoint = `http://127.0.0.1:${service.port}/${accountName}`;
  const connection = `DefaultEndpointsProtocol=http;AccountName=${accountName};AccountKey=${accountKey};BlobEndpoint=${endpoint};`;
  await blobRequest(connection, { method: 'PUT', path: 'claims', query: { restype: 'container' } });
  await blobRequest(connection, { method: 'PUT', path: 'claims', query: { restype: 'container' } }, [409]);
  await expect(removeOldClaims(connection)).resolves.toBe(0);

  const container = BlobServiceClient.fromConnectionString(connection).getContainerClient('claims');
  for (const name of ['acme/1', 'globex/2']) await container.getBlockBlobClient(name).upload(name, name.length, { metadata: { to: 'a' } });
  expect(await removeOldClaims(connection, Date.now() + 15 * dayMs)).toBe(0);
  expect(await container.getBlobClient('acme/1').exists()).toBe(true);
  expect(await removeOldClaims(connection, Date.now() + 17 * dayMs)).toBe(2);
  expect(await container.getBlobClient('acme/1').exists()).toBe(false);
});
