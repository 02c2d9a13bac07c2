// The documented request limits of one vault (Key Vault service limits: transactions in 10 seconds), for those who switch them on.
import { throttled } from './refusal.ts';

const window = 10_000;
const budgets = { secretSet: 300, secret: 4_000, keyCreate: 20, key: 4_000 };
type Budget = keyof typeof budgets;

/** Which budget an operation draws on. */
export function budgetOf(method: string, path: string): Budget {
  if (/^\/(deleted)?keys/.test(path)) return /\/(create|rotate)$/.test(path) ? 'keyCreate' : 'key';
  return method === 'PUT' ? 'secretSet' : 'secret';
}

/** Fixed windows; what is refused does not count, as in the service. */
export class Limits {
  readonly #spent = new Map<Budget, { since: number; cost: number }>();

  /** @throws {Refusal} 429 with the seconds until the window ends */
  spend(budget: Budget, cost: number): void {
    const now = performance.now();
    let spent = this.#spent.get(budget);
    if (!spent || now - spent.since >= window) {
      spent = { since: now, cost: 0 };
      this.#spent.set(budget, spent);
    }
    if (spent.cost + cost > budgets[budget]) throw throttled(Math.ceil((spent.since + window - now) / 1_000));
    spent.cost += cost;
  }
}
