// One request to Blob Storage by hand, signed with the shared key (Azure Storage, "Authorize with Shared Key"): the SDK would take longer to load
// than all that is done with it at a start.
import { createHmac } from 'node:crypto';
import { dependencyRetry, retrying } from '../../shared/clock/retry.ts';

/** `path` begins behind the account; no name of ours needs encoding. Answers the text. Throws when it stays refused, but for these statuses. */
export async function blobRequest(
  connectionString: string,
  { method, path, query = {} }: { method: 'PUT' | 'GET' | 'DELETE'; path: string; query?: Readonly<Record<string, string>> },
  allowed: readonly number[] = [],
): Promise<string> {
  const part = (field: string): string => new RegExp(`(?:^|;)${field}=([^;]+)`).exec(connectionString)?.[1] ?? '';
  const url = new URL(`${part('BlobEndpoint').replace(/\/$/, '')}/${path}`);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const headers = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-12-02' };
  const named = Object.entries(headers).map(([header, value]) => `${header}:${value}\n`);
  const asked = Object.entries(query)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `\n${name}:${value}`);
  const text = `${method}${'\n'.repeat(12)}${named.join('')}/${part('AccountName')}${url.pathname}${asked.join('')}`;
  const signature = createHmac('sha256', Buffer.from(part('AccountKey'), 'base64'))
    .update(text)
    .digest('base64');
  return retrying(
    dependencyRetry,
    () => ({ again: true }),
    async () => {
      const authorization = `SharedKey ${part('AccountName')}:${signature}`;
      const answer = await fetch(url, { method, headers: { ...headers, authorization } });
      const content = await answer.text();
      if (!answer.ok && !allowed.includes(answer.status)) throw new Error(`Blob Storage refused ${method} ${path} (${answer.status})`);
      return content;
    },
  );
}
