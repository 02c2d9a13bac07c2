// What a benchmark says: a value beside its floor, both measured in the same run.

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The simplest thing that could do the same work, measured beside it. */
  readonly floor: number;
  /** Of the value to the floor. */
  readonly ratio: number;
  readonly goal: number;
  readonly holds: boolean;
}
