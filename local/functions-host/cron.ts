// NCRONTAB expressions, as the timer trigger's library NCrontab reads them: second, minute, hour, day, month, day of week; all must match.

interface Field {
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

const months = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'];
const days = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
const fields: readonly Field[] = [
  { least: 0, most: 59 },
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31 },
  { least: 1, most: 12, names: months },
  { least: 0, most: 6, names: days },
];

/** When a timer runs, in UTC. */
export class CronSchedule {
  readonly #expression: string;
  readonly #sets: readonly ReadonlySet<number>[];
  /** Whether it comes more than once in every minute. */
  readonly everyFewSeconds: boolean;

  /** Throws for what is not an expression of six fields (or five, without the seconds) of `*`, values, names, lists, ranges and steps. */
  constructor(expression: string) {
    const parts = expression.trim().split(/\s+/);
    if (parts.length === 5) parts.unshift('0');
    if (parts.length !== 6)
      throw new Error(`the schedule "${expression}" is not an NCRONTAB expression of six fields (time spans are not modelled)`);
    this.#expression = expression;
    this.#sets = fields.map((field, index) => parseField(parts[index] ?? '', field, expression));
    this.everyFewSeconds = (this.#sets[0]?.size ?? 0) > 1 && parts.slice(1).every((part) => part === '*');
  }

  /** The first time after `after` (both in milliseconds since 1970). */
  next(after: number): number {
    const [seconds, minutes, hours, daysOfMonth, monthsOfYear, daysOfWeek] = this.#sets;
    const at = new Date(Math.floor(after / 1_000) * 1_000 + 1_000);
    const horizon = at.getUTCFullYear() + 30; // covers a 29 February that must be a given weekday
    while (at.getUTCFullYear() < horizon) {
      if (!monthsOfYear?.has(at.getUTCMonth() + 1)) at.setTime(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1));
      else if (!daysOfMonth?.has(at.getUTCDate()) || !daysOfWeek?.has(at.getUTCDay())) at.setUTCHours(24, 0, 0, 0);
      else if (!hours?.has(at.getUTCHours())) at.setUTCHours(at.getUTCHours() + 1, 0, 0, 0);
      else if (!minutes?.has(at.getUTCMinutes())) at.setUTCMinutes(at.getUTCMinutes() + 1, 0, 0);
      else if (!seconds?.has(at.getUTCSeconds())) at.setUTCSeconds(at.getUTCSeconds() + 1, 0);
      else return at.getTime();
    }
    throw new Error(`the schedule "${this.#expression}" never comes`);
  }
}

function parseField(text: string, field: Field, expression: string): ReadonlySet<number> {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [, star, from, to, step] = /^(?:(\*)|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(part) ?? [];
    const least = star ? field.least : numberOf(from, field);
    const most = star || (step && to === undefined) ? field.most : to === undefined ? least : numberOf(to, field);
    const by = Number(step ?? 1);
    if (!(least >= field.least && least <= most && most <= field.most && by > 0)) {
      throw new Error(`the schedule "${expression}" is not valid: "${part}"`);
    }
    for (let value = least; value <= most; value += by) values.add(value);
  }
  return values;
}

/** NaN for what is neither a number nor (the beginning, of three letters or more, of) a name of the field. */
function numberOf(text: string | undefined, { least, names = [] }: Field): number {
  if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  const index = names.findIndex((name) => text !== undefined && text.length >= 3 && name.startsWith(text.toLowerCase()));
  return index < 0 ? Number.NaN : index + least;
}
