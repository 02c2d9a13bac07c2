// COUNT, SUM, AVG, MIN and MAX over the items of a query.
import type { Value } from '../json.ts';
import type { AggregateName } from './expression.ts';
import { compareScalars, isScalar, type Scalar } from './scalar.ts';

/** What is not there does not take part; a value the function is not for leaves the whole undefined, and then there is no result. */
export function aggregate(name: AggregateName, values: Iterable<Value>): Value {
  let count = 0;
  let sum = 0;
  let extreme: Scalar | undefined;
  for (const value of values) {
    if (value === undefined) continue;
    count += 1;
    if (name === 'COUNT') continue;
    if (!isScalar(value)) return undefined;
    if (name === 'MIN' || name === 'MAX') {
      if (extreme === undefined || compareScalars(value, extreme) < 0 === (name === 'MIN')) extreme = value;
    } else if (typeof value === 'number') sum += value;
    else return undefined;
  }
  if (name === 'COUNT') return count;
  if (name === 'SUM') return sum;
  if (name === 'AVG') return count === 0 ? undefined : sum / count;
  return extreme;
}
