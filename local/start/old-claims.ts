// What the lifecycle rule of the container `claims` does in Azure: payloads that no message and no dead letter can ask for any more are removed.
import { blobRequest } from './blob-request.ts';

/** A day in a queue, two weeks as a dead letter, and one over. */
const keptMs = 16 * 86_400_000;

/** One page of 5,000 a start is as much as one start waits for. */
export async function removeOldClaims(connectionString: string, now = Date.now()): Promise<number> {
  const listed = await blobRequest(connectionString, { method: 'GET', path: 'claims', query: { comp: 'list', restype: 'container' } });
  const blobs = [...listed.matchAll(/<Blob><Name>([^<]+)<\/Name>.*?<Last-Modified>([^<]+)</gs)];
  const old = blobs.filter(([, , modified = '']) => Date.parse(modified) < now - keptMs).map(([, name = '']) => name);
  for (const name of old) await blobRequest(connectionString, { method: 'DELETE', path: `claims/${name}` }, [404]);
  return old.length;
}
