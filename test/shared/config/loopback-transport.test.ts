// The policy that takes TLS off the SDKs' requests does so on loopback alone.
import { describe, expect, it } from 'vitest';
import { plainLoopback } from '../../../shared/config/loopback-transport.ts';

const sent = (url: string) => plainLoopback.sendRequest({ url }, async (request) => ({ ...request }));

describe('plain http', () => {
  it.each(['https://127.0.0.1:8080/a?b=c', 'https://127.0.0.1/a', 'https://localhost:1', 'https://[::1]:8080?a', 'http://127.8.8.8/a'])(
    'carries %s',
    async (url) => {
      expect(await sent(url)).toEqual({ url: url.replace('https:', 'http:'), allowInsecureConnection: true });
    },
  );

  it.each([
    'https://acme.vault.azure.net/a',
    'https://127.0.0.1.acme.example/a',
    'https://localhost.acme.example/a',
    'https://127.0.0.1:80@acme.example/a',
    'https://127.0.0.1@acme.example/a',
    'https://acme.example/https://127.0.0.1/',
    'https://128.0.0.1/a',
  ])('does not carry %s', async (url) => {
    await expect(sent(url)).rejects.toThrow('loopback only');
  });

  it('shows https again to whatever signs the next try', async () => {
    const request = { url: 'https://127.0.0.1:8080/a' };
    await expect(plainLoopback.sendRequest(request, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(request.url).toBe('https://127.0.0.1:8080/a');
  });
});
