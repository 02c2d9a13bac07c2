// Addresses that open one blob for reading and nothing else: shared access signatures, by the user delegation key in Azure and by the account's key locally.
import type { BlobClient, BlobServiceClient, UserDelegationKey } from '@azure/storage-blob';
import { now } from '../clock/clock.ts';
import { loadSdk } from '../config/load-sdk.ts';

/** Azure gives a user delegation key for seven days at most. */
const keyMs = 24 * 60 * 60_000;
/** No link lives longer than this, so a key that lives as long still is asked for no more. */
const longestMs = 60 * 60_000;
/** Clocks differ: a key that begins now may not have begun over there. */
const skewMs = 15 * 60_000;

interface Delegation {
  readonly key: Promise<UserDelegationKey>;
  readonly until: number;
}

export class ReadLinks {
  readonly #isAzure: boolean;
  #delegation: Delegation | undefined;

  constructor(isAzure: boolean) {
    this.#isAzure = isAzure;
  }

  /** Good until this instant (milliseconds since the epoch, at most an hour ahead). Makes a request only when the key has grown old. */
  async to(blob: BlobClient, service: BlobServiceClient, until: number): Promise<string> {
    if (until > now() + longestMs) throw new RangeError('a link lives for an hour at most');
    const { BlobSASPermissions, SASProtocol } = await loadSdk(() => import('@azure/storage-blob'));
    const options = { permissions: BlobSASPermissions.parse('r'), expiresOn: new Date(until) };
    if (!this.#isAzure) return blob.generateSasUrl(options);
    return blob.generateUserDelegationSasUrl({ ...options, protocol: SASProtocol.Https }, await this.#key(service));
  }

  #key(service: BlobServiceClient): Promise<UserDelegationKey> {
    if (this.#delegation && this.#delegation.until > now() + longestMs) return this.#delegation.key;
    const until = now() + keyMs;
    const key = service.getUserDelegationKey(new Date(now() - skewMs), new Date(until));
    const delegation = { key, until };
    this.#delegation = delegation;
    key.catch(() => {
      if (this.#delegation === delegation) this.#delegation = undefined;
    });
    return key;
  }
}
