// The policies of one tenant as a whole: which statements an action needs, and which resources are named.

import { parentsOf, type Resource } from './question.ts';
import { canBeNamed, nameOf, type Statement } from './statements.ts';

export class PolicySet {
  readonly statements: readonly Statement[];
  readonly #byId: ReadonlyMap<string, Statement>;
  readonly #names: ReadonlySet<string>;
  readonly #slices = new Map<string, readonly Statement[]>();

  constructor(statements: readonly Statement[]) {
    this.statements = statements;
    this.#byId = new Map(statements.map((statement) => [statement.id, statement]));
    this.#names = new Set(statements.flatMap(({ names }) => names));
  }

  /** The statements whose scope can match the action: all that can decide about it. */
  slice(action: string): readonly Statement[] {
    const known = this.#slices.get(action);
    if (known) return known;
    const slice = this.statements.filter(({ actions }) => !actions || actions.has(action));
    this.#slices.set(action, slice);
    return slice;
  }

  /** The statement of an id the engine answered with. */
  statement(id: string): Statement {
    const statement = this.#byId.get(id);
    if (!statement) throw new Error('the engine answered with a policy it was not given');
    return statement;
  }

  /**
   * The statements that name a resource: whatever their action and effect, they hold it or what it is part of as a literal. Naming an integration
   * names its tools; naming a tool names neither its integration nor the other tools.
   */
  naming(resource: Resource): readonly Statement[] {
    const names = [resource, ...parentsOf(resource)].filter(canBeNamed).map(nameOf);
    if (!names.some((name) => this.#names.has(name))) return [];
    return this.statements.filter((statement) => names.some((name) => statement.names.includes(name)));
  }
}
