import {
  getNamedType,
  isIntrospectionType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** What a field costs instead of the usual 1: roughly milliseconds of work. */
export function cost(points: number): { readonly cost: number } {
  return { cost: points };
}

/** How large a query is. */
export interface Measure {
  readonly depth: number;
  readonly cost: number;
}

type Variables = Readonly<Record<string, unknown>>;

const nothing: Measure = { depth: 0, cost: 0 };

/**
 * Measures a validated operation: its depth, and what its fields cost, where everything below a
 * list counts once per item of the page asked for. Introspection is held back by its own rule
 * (graphql-js, MaxIntrospectionDepthRule) and counts nothing here.
 */
export class Measurer {
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #schema: GraphQLSchema;
  readonly #variables: Variables;
  readonly #maxPageItems: number;
  /** A fragment is measured once, however often it is spread: the work stays linear in the query. */
  readonly #measuredFragments = new Map<string, Measure>();

  constructor(schema: GraphQLSchema, document: DocumentNode, variables: Variables, maxPageItems: number) {
    this.#schema = schema;
    this.#variables = variables;
    this.#maxPageItems = maxPageItems;
    this.#fragments = new Map(
      document.definitions
        .filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
        .map((definition) => [definition.name.value, definition]),
    );
  }

  operation(operation: OperationDefinitionNode): Measure {
    return this.#selections(operation.selectionSet, this.#schema.getRootType(operation.operation));
  }

  #selections(selectionSet: SelectionSetNode, type: GraphQLNamedType | null | undefined): Measure {
    const measures = selectionSet.selections.map((selection) => this.#selection(selection, type));
    return {
      depth: Math.max(0, ...measures.map(({ depth }) => depth)),
      cost: measures.reduce((sum, { cost }) => sum + cost, 0),
    };
  }

  #selection(selection: SelectionNode, type: GraphQLNamedType | null | undefined): Measure {
    if (selection.kind === Kind.FIELD) return this.#field(selection, type);
    if (selection.kind === Kind.FRAGMENT_SPREAD) return this.#fragment(selection.name.value);
    const condition = selection.typeCondition?.name.value;
    return this.#selections(
      selection.selectionSet,
      condition === undefined ? type : this.#schema.getType(condition),
    );
  }

  #fragment(name: string): Measure {
    const known = this.#measuredFragments.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    if (fragment === undefined) return nothing;
    const measure = this.#selections(
      fragment.selectionSet,
      this.#schema.getType(fragment.typeCondition.name.value),
    );
    this.#measuredFragments.set(name, measure);
    return measure;
  }

  #field(node: FieldNode, parent: GraphQLNamedType | null | undefined): Measure {
    const field = isObjectType(parent) ? parent.getFields()[node.name.value] : undefined;
    if (field === undefined || isIntrospectionType(getNamedType(field.type))) return nothing;
    const own = typeof field.extensions['cost'] === 'number' ? field.extensions['cost'] : 1;
    if (node.selectionSet === undefined) return { depth: 1, cost: own };
    const inner = this.#selections(node.selectionSet, getNamedType(field.type));
    return { depth: inner.depth + 1, cost: own + inner.cost * this.#pageItems(node, field) };
  }

  /** How many items the field answers at most: its `first`, or 1 when it is no paged list. */
  #pageItems(node: FieldNode, field: GraphQLField<unknown, unknown>): number {
    const definition = field.args.find(({ name }) => name === 'first');
    if (definition === undefined) return 1;
    const value = node.arguments?.find(({ name }) => name.value === 'first')?.value;
    const given =
      value?.kind === Kind.INT
        ? Number(value.value)
        : value?.kind === Kind.VARIABLE
          ? this.#variables[value.name.value]
          : undefined;
    // What is out of range is refused by the field itself; here it must not lower the cost.
    const items = typeof given === 'number' ? given : definition.defaultValue;
    return Math.min(this.#maxPageItems, Math.max(1, Number(items)));
  }
}
