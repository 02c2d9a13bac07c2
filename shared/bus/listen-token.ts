// A shared access signature for one queue and the right of its rule (Service Bus SAS: HMAC-SHA256 over the encoded address and the expiry).
import { createHmac } from 'node:crypto';

/** `endpoint` is `sb://host[:port]/`; `expiresAt` in milliseconds, cut to whole seconds. */
export function listenToken(endpoint: string, queue: string, rule: { name: string; key: string }, expiresAt: number): string {
  const resource = encodeURIComponent(`${endpoint}${queue}`.toLowerCase());
  const expiry = Math.floor(expiresAt / 1_000);
  const signature = createHmac('sha256', rule.key).update(`${resource}\n${expiry}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=${rule.name}`;
}
