// Where a request comes from, as one bucket to count in.

/** All whose address is not known share this one. */
export const nowhere = 'unknown';

/** One IPv4 address, or the /64 that one holder of IPv6 addresses has to choose from. Takes any text: what is no address stands for itself. */
export function sourceOf(ip: string | undefined): string {
  if (ip === undefined || ip === '') return nowhere;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped !== undefined || !ip.includes(':')) return mapped ?? ip;
  const [head = '', tail] = ip.toLowerCase().split('::', 2);
  const [left, right] = [head, tail ?? ''].map((half) => (half === '' ? [] : half.split(':')));
  if (!left || !right) return ip;
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
