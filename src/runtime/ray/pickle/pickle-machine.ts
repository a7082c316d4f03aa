import { InertGlobal } from "./inert.ts";
import { toInteger } from "./integers.ts";
import type { PickleLimits } from "./limits.ts";
import { CallNode, DictNode, type Node, PersistentNode, SetNode, TupleNode } from "./nodes.ts";
import { toPresentName } from "./old-names.ts";
import { OP } from "./opcodes.ts";
import { PickleError } from "./pickle-error.ts";
import { PickleInput } from "./pickle-input.ts";
import { PyByteArray, PyFloat } from "./values.ts";

/**
 * Executes a pickle's opcodes on a stack of nodes. A global is a name and a call a record of it, so what is executed can
 * do nothing but arrange data.
 */
export class PickleMachine {
  readonly #input: PickleInput;
  readonly #limits: PickleLimits;
  readonly #exact: boolean;
  readonly #stack: Node[] = [];
  /** Heights of the stack at which something begins. */
  readonly #marks: number[] = [];
  readonly #memo: Node[] = [];
  #memoCount = 0;
  #protocol = 0;
  /** Where the present opcode is. */
  #offset = 0;

  constructor(bytes: Uint8Array, limits: PickleLimits, exact: boolean) {
    this.#input = new PickleInput(bytes);
    this.#limits = limits;
    this.#exact = exact;
  }

  /** The node that the pickle stands for. */
  run(): Node {
    this.#readProtocol();
    for (let operations = 1; ; operations++) {
      if (operations > this.#limits.maxOperations) throw this.#limit("operations", this.#limits.maxOperations);
      this.#offset = this.#input.offset;
      const opcode = this.#input.uint8();
      if (opcode === OP.STOP) return this.#finish();
      this.#execute(opcode);
    }
  }

  #readProtocol(): void {
    const isPickle = this.#input.left >= 2 && this.#input.uint8() === OP.PROTO;
    this.#protocol = isPickle ? this.#input.uint8() : 0;
    if (isPickle && this.#protocol >= 2 && this.#protocol <= 5) return;
    throw new PickleError("unsupported", "This is not a pickle of protocol 2, 3, 4 or 5.", 0);
  }

  #finish(): Node {
    const [result] = this.#stack;
    if (result === undefined || this.#stack.length !== 1 || this.#marks.length > 0) {
      throw this.#malformed(`There are ${this.#stack.length} values at the end where one is wanted.`);
    }
    if (this.#input.left > 0) throw this.#malformed(`${this.#input.left} bytes follow the end.`);
    return result;
  }

  #execute(opcode: number): void {
    const input = this.#input;
    switch (opcode) {
      case OP.FRAME:
        return this.#frame();
      case OP.NONE:
        return this.#push(null);
      case OP.NEWTRUE:
        return this.#push(true);
      case OP.NEWFALSE:
        return this.#push(false);
      case OP.BININT:
        return this.#push(input.int32());
      case OP.BININT1:
        return this.#push(input.uint8());
      case OP.BININT2:
        return this.#push(input.uint16());
      case OP.LONG1:
        return this.#integer(input.uint8());
      case OP.LONG4:
        return this.#integer(input.int32());
      case OP.BINFLOAT:
        return this.#float(input.float64());
      case OP.SHORT_BINUNICODE:
        return this.#push(input.text(input.uint8()));
      case OP.BINUNICODE:
        return this.#push(input.text(input.uint32()));
      case OP.BINUNICODE8:
        return this.#push(input.text(input.length64()));
      case OP.SHORT_BINBYTES:
        return this.#push(input.bytes(input.uint8()));
      case OP.BINBYTES:
        return this.#push(input.bytes(input.uint32()));
      case OP.BINBYTES8:
        return this.#push(input.bytes(input.length64()));
      case OP.BYTEARRAY8:
        return this.#push(new PyByteArray(input.bytes(input.length64())));
      default:
        return this.#executeContainer(opcode);
    }
  }

  #executeContainer(opcode: number): void {
    switch (opcode) {
      case OP.MARK:
        return void this.#marks.push(this.#stack.length);
      case OP.EMPTY_TUPLE:
        return this.#push(new TupleNode([]));
      case OP.TUPLE1:
        return this.#push(new TupleNode(this.#take(1)));
      case OP.TUPLE2:
        return this.#push(new TupleNode(this.#take(2)));
      case OP.TUPLE3:
        return this.#push(new TupleNode(this.#take(3)));
      case OP.TUPLE:
        return this.#push(new TupleNode(this.#takeToMark()));
      case OP.EMPTY_LIST:
        return this.#push([]);
      case OP.APPEND:
        return this.#append(this.#take(1));
      case OP.APPENDS:
        return this.#append(this.#takeToMark());
      case OP.EMPTY_DICT:
        return this.#push(new DictNode());
      case OP.SETITEM:
        return this.#setItems(this.#take(2));
      case OP.SETITEMS:
        return this.#setItems(this.#takeToMark());
      case OP.EMPTY_SET:
        return this.#push(new SetNode([], false));
      case OP.ADDITEMS:
        return this.#addItems(this.#takeToMark());
      case OP.FROZENSET:
        return this.#push(new SetNode(this.#takeToMark(), true));
      case OP.POP:
        return this.#drop();
      case OP.POP_MARK:
        return void this.#takeToMark();
      case OP.DUP:
        return this.#push(this.#top());
      default:
        return this.#executeReference(opcode);
    }
  }

  #executeReference(opcode: number): void {
    const input = this.#input;
    switch (opcode) {
      case OP.MEMOIZE:
        return this.#put(this.#memoCount);
      case OP.BINPUT:
        return this.#put(input.uint8());
      case OP.LONG_BINPUT:
        return this.#put(input.uint32());
      case OP.BINGET:
        return this.#get(input.uint8());
      case OP.LONG_BINGET:
        return this.#get(input.uint32());
      case OP.GLOBAL:
        return this.#global(input.line(), input.line());
      case OP.STACK_GLOBAL:
        return this.#global(...(this.#take(2) as [Node, Node]));
      case OP.REDUCE:
        return this.#call("call");
      case OP.NEWOBJ:
        return this.#call("new");
      case OP.NEWOBJ_EX: {
        const [callable, args, kwargs] = this.#take(3) as [Node, Node, Node];
        return this.#pushCall("new", callable, args, kwargs);
      }
      case OP.BUILD:
        return this.#build();
      case OP.BINPERSID:
        return this.#push(new PersistentNode(...(this.#take(1) as [Node])));
      default:
        throw new PickleError(
          "unsupported",
          `The opcode 0x${opcode.toString(16).padStart(2, "0")} is not read: extension codes, out-of-band buffers and the text opcodes of protocol 0 are refused.`,
          this.#offset,
        );
    }
  }

  /** A frame only says how much could be read at once; what it holds is read like everything else. */
  #frame(): void {
    const length = this.#input.length64();
    if (length > this.#input.left) throw this.#malformed(`A frame of ${length} bytes is longer than what is left.`);
  }

  #push(node: Node): void {
    this.#stack.push(node);
  }

  /** The topmost node, which a mark protects. */
  #top(): Node {
    const top = this.#stack.at(-1);
    if (top === undefined || this.#stack.length <= this.#floor()) throw this.#malformed("The stack is empty.");
    return top;
  }

  #take(count: number): Node[] {
    const begin = this.#stack.length - count;
    if (begin < this.#floor()) throw this.#malformed(`${count} values are wanted, and there are fewer on the stack.`);
    return count === 1 ? [this.#stack.pop() as Node] : this.#stack.splice(begin, count);
  }

  #takeToMark(): Node[] {
    const begin = this.#marks.pop();
    if (begin === undefined) throw this.#malformed("There is no mark on the stack.");
    return this.#stack.splice(begin);
  }

  /** Below this the opcodes of the present part may not reach. */
  #floor(): number {
    return this.#marks.at(-1) ?? 0;
  }

  /** Removes the topmost node, or a mark if that is what is on top, as Python does. */
  #drop(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.#take(1);
  }

  #integer(sizeBytes: number): void {
    if (sizeBytes > this.#limits.maxIntegerBytes)
      throw this.#limit("bytes of an integer", this.#limits.maxIntegerBytes);
    this.#push(toInteger(this.#input.bytes(sizeBytes)));
  }

  #float(value: number): void {
    const looksLikeInteger = Number.isSafeInteger(value) && !Object.is(value, -0);
    this.#push(this.#exact && looksLikeInteger ? new PyFloat(value) : value);
  }

  #append(items: Node[]): void {
    const target = this.#top();
    if (Array.isArray(target)) pushAll(target, items);
    else if (target instanceof CallNode) pushAll(target.items, items);
    else throw this.#malformed("What is appended to is not a list.");
  }

  #setItems(flat: Node[]): void {
    const target = this.#top();
    if (flat.length % 2 !== 0) throw this.#malformed("A key has no value.");
    if (target instanceof DictNode) pushAll(target.flat, flat);
    else if (target instanceof CallNode) pushAll(target.entries, flat);
    else throw this.#malformed("What an item is set in is not a dict.");
  }

  #addItems(items: Node[]): void {
    const target = this.#top();
    if (target instanceof SetNode && !target.frozen) pushAll(target.items, items);
    else throw this.#malformed("What is added to is not a set.");
  }

  #put(index: number): void {
    if (index >= this.#limits.maxMemoEntries) throw this.#limit("memo entries", this.#limits.maxMemoEntries);
    // Picklers number one by one; a far jump would only waste memory.
    if (index > this.#memoCount) throw this.#malformed(`Memo entry ${index} comes before entry ${this.#memoCount}.`);
    this.#memo[index] = this.#top();
    this.#memoCount = this.#memo.length;
  }

  #get(index: number): void {
    const node = this.#memo[index];
    if (node === undefined) throw this.#malformed(`There is no memo entry ${index}.`);
    this.#push(node);
  }

  #global(module: Node, name: Node): void {
    if (typeof module !== "string" || typeof name !== "string") throw this.#malformed("A global's name is not text.");
    const present = this.#protocol < 3 ? toPresentName(module, name) : { module, name };
    this.#push(new InertGlobal(present.module, present.name));
  }

  #call(how: "call" | "new"): void {
    const [callable, args] = this.#take(2) as [Node, Node];
    this.#pushCall(how, callable, args);
  }

  #pushCall(how: "call" | "new", callable: Node, args: Node, kwargs?: Node): void {
    if (!(callable instanceof InertGlobal) && !(callable instanceof CallNode)) {
      throw this.#malformed("What is called is not a global.");
    }
    if (!(args instanceof TupleNode)) throw this.#malformed("The arguments of a call are not a tuple.");
    this.#push(new CallNode(how, callable, args, kwargs));
  }

  #build(): void {
    const [state] = this.#take(1) as [Node];
    const target = this.#top();
    if (!(target instanceof CallNode)) throw this.#malformed("What is built is not an object.");
    if (target.state !== undefined) throw this.#malformed("An object is built twice.");
    target.state = state;
  }

  #malformed(message: string): PickleError {
    return new PickleError("malformed", message, this.#offset);
  }

  #limit(what: string, most: number): PickleError {
    return new PickleError("limit", `More than ${most} ${what} are not read.`, this.#offset);
  }
}

/** `push(...items)` would need as much stack as there are items. */
function pushAll(target: Node[], items: readonly Node[]): void {
  for (const item of items) target.push(item);
}
