import type { InertGlobal } from "./inert.ts";
import type { PyByteArray, PyFloat } from "./values.ts";

/**
 * What the opcodes leave behind, before anything is made of it: a list is an array, what else contains something has a
 * class here. Only when the last opcode is read is it known what a dict's keys are and what a class was built with.
 */
export type Node =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PyFloat
  | PyByteArray
  | InertGlobal
  | Branch;

/** A node that has others in it. */
export type Branch = Node[] | TupleNode | DictNode | SetNode | CallNode | PersistentNode;

/** What makes them quick to tell from values. */
abstract class BranchNode {}

export class TupleNode extends BranchNode {
  readonly items: Node[];

  constructor(items: Node[]) {
    super();
    this.items = items;
  }
}

export class DictNode extends BranchNode {
  /** Key, value, key, value. */
  readonly flat: Node[] = [];
}

export class SetNode extends BranchNode {
  readonly items: Node[];
  readonly frozen: boolean;

  constructor(items: Node[], frozen: boolean) {
    super();
    this.items = items;
    this.frozen = frozen;
  }
}

/** `callable(*args, **kwargs)` or `callable.__new__(callable, *args, **kwargs)`, then appended to, set in, built. */
export class CallNode extends BranchNode {
  readonly callable: Node;
  readonly how: "call" | "new";
  readonly args: TupleNode;
  readonly kwargs: Node | undefined;
  readonly items: Node[] = [];
  readonly entries: Node[] = [];
  state: Node | undefined;

  constructor(how: "call" | "new", callable: Node, args: TupleNode, kwargs?: Node) {
    super();
    this.how = how;
    this.callable = callable;
    this.args = args;
    this.kwargs = kwargs;
  }
}

/** A persistent id: what refers to something outside of the pickle. */
export class PersistentNode extends BranchNode {
  readonly id: Node;

  constructor(id: Node) {
    super();
    this.id = id;
  }
}

export function isBranch(node: Node): node is Branch {
  return typeof node === "object" && (Array.isArray(node) || node instanceof BranchNode);
}
