/**
 * Pickles that a hostile peer would send, for the tests and the bench. `refused` ones are a `PickleError`; `inert` ones are
 * data that says what they wanted.
 */
export interface MaliciousPickle {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly outcome: "refused" | "inert";
}

const raw = (text: string): Buffer => Buffer.from(text, "latin1");
const lengthBytes = (length: bigint): string => {
  return Buffer.from(BigUint64Array.of(length).buffer).toString("latin1");
};
const text = (value: string): string => `X${lengthBytes(BigInt(value.length)).slice(0, 4)}${value}`;
const global = (module: string, name: string): string => `${text(module)}${text(name)}\x93`;
const STUB = global("ray.util.client.client_pickler", "PickleStub");
const NDARRAY = `${global("numpy._core.multiarray", "_reconstruct")}${global("numpy", "ndarray")}K\0\x85C\x01b\x87R`;
const dtype = (code: string): string => `${global("numpy", "dtype")}${text(code)}\x89\x88\x87R`;

function inert(name: string, body: string, protocol = 4): MaliciousPickle {
  return { name, bytes: raw(`\x80${String.fromCharCode(protocol)}${body}.`), outcome: "inert" };
}

function refused(name: string, body: string, protocol = 4): MaliciousPickle {
  return { ...inert(name, body, protocol), outcome: "refused" };
}

const calls = [
  inert("os.system", `${global("os", "system")}${text("touch /tmp/owned")}\x85R`),
  inert("posix.system by the old opcode", `cposix\nsystem\n${text("id")}\x85R`, 2),
  inert("subprocess.Popen made without __init__", `${global("subprocess", "Popen")}]${text("id")}a\x85\x81`),
  inert("subprocess.run with named arguments", `${global("subprocess", "run")})}${text("args")}${text("id")}s\x92`),
  inert("builtins.eval", `${global("builtins", "eval")}${text("1/0")}\x85R`),
  inert("builtins.exec", `${global("builtins", "exec")}${text("import os")}\x85R`),
  inert("builtins.__import__", `${global("builtins", "__import__")}${text("os")}\x85R`),
  inert(
    "getattr of a module, then a call of it",
    `${global("builtins", "getattr")}${global("os", "path")}${text("join")}\x86R)R`,
  ),
  inert("a dotted name", global("builtins", "str.__class__.__base__.__subclasses__")),
  inert("a name in the prototype of our own table", `${global("__proto__", "constructor")})R`),
  inert("Function by name", `${global("globalThis", "Function")}${text("return process")}\x85R`),
  inert(
    "copyreg._reconstructor of anything",
    `${global("copyreg", "_reconstructor")}${global("os", "system")}${global("builtins", "object")}N\x87R`,
  ),
  inert("pickle.loads of a pickle inside", `${global("pickle", "loads")}C\x04\x80\x04N.\x85R`),
  inert("operator.attrgetter", `${global("operator", "attrgetter")}${text("__globals__")}\x85R`),
  inert(
    "a class by value with code in it",
    `${global("ray.cloudpickle.cloudpickle", "_make_function")}C\x02\x97\0\x85R`,
  ),
];

const states = [
  inert("__class__ in a state", `${global("a", "B")})\x81}${text("__class__")}${global("os", "system")}sb`),
  inert("__setstate__ in a state", `${global("a", "B")})\x81}${text("__setstate__")}${global("os", "system")}sb`),
  inert("a state for slots", `${global("a", "B")})\x81N}${text("__dict__")}Ns\x86b`),
  refused("a state for a module's name", `${global("os", "environ")}}${text("PATH")}Nsb`),
  refused("two states", `${global("a", "B")})\x81NbNb`),
  refused("a state for a list", "]Nb"),
  refused("items for a name", `${global("os", "environ")}${text("PATH")}Ns`),
  refused("items for a tuple", ")Na"),
  refused("members for a frozen set", "(\x91(N\x90"),
  refused("a key without a value", "}(Nu"),
  inert("a key __proto__", `}${text("__proto__")}}${text("polluted")}\x88ss`),
  inert("constructor.prototype", `}${text("constructor")}}${text("prototype")}}${text("polluted")}\x88sss`),
  inert("__proto__ as a name in a state", `${global("a", "B")})\x81}${text("__proto__")}}${text("polluted")}\x88ssb`),
  inert("a list as a key", "}]Ns"),
];

const opcodes = [
  refused("INST", `(ios\nsystem\n`),
  refused("OBJ", `(${global("os", "system")}o`),
  refused("EXT1", "\x82\x01"),
  refused("EXT2", "\x83\x01\x01"),
  refused("EXT4", "\x84\x01\x01\x01\x01"),
  refused("a persistent id as text", "Pos.system\n"),
  refused("an out-of-band buffer", "\x97"),
  refused("an out-of-band buffer, read only", "\x97\x98"),
  refused("protocol 255", "N", 255),
  { name: "protocol 0", bytes: raw("cos\nsystem\n(S'id'\ntR."), outcome: "refused" },
  { name: "nothing", bytes: raw(""), outcome: "refused" },
] satisfies MaliciousPickle[];

const persistentIds = [
  refused("a persistent id that is text", `${text("Object")}Q`),
  refused("a persistent id that is a call", `${global("os", "system")}${text("id")}\x85RQ`),
  refused("a reference of an unknown kind", `${STUB}(${text("Module")}${text("c")}C\0NNtRQ`),
  refused("a reference with too few fields", `${STUB}(${text("Object")}tRQ`),
  refused("a reference with an object as its id", `${STUB}(${text("Object")}${text("c")}${global("os", "x")}NNtRQ`),
  refused("a reference made from another class", `${global("os", "PickleStub")}(${text("Object")}${text("c")}C\0NNtRQ`),
];

const sizes = [
  refused("text of 2⁶³ bytes", `\x8d${lengthBytes(2n ** 63n)}x`),
  refused("text of 4 GB", "X\xff\xff\xff\xffx"),
  refused("bytes of 4 GB", "B\xff\xff\xff\xffx"),
  refused("bytes of 2⁶⁴-1 bytes", `\x8e${lengthBytes(2n ** 64n - 1n)}x`),
  refused("a bytearray of 2⁴⁰ bytes", `\x96${lengthBytes(2n ** 40n)}x`),
  refused("an integer of negative length", "\x8b\xff\xff\xff\xff"),
  refused("an integer of 2 GB", "\x8b\xff\xff\xff\x7f"),
  refused("a frame of 2⁶³ bytes", `\x95${lengthBytes(2n ** 63n)}N`),
  refused("memo entry 2³²-1", "Nr\xff\xff\xff\xff"),
  refused("a memo entry that is not there", "j\xff\xff\xff\xff"),
  inert("bytes(10⁹)", `${global("builtins", "bytes")}J\0\xca\x9a\x3b\x85R`),
  inert("bytearray(10⁹)", `${global("builtins", "bytearray")}J\0\xca\x9a\x3b\x85R`),
  inert("range(2⁶⁴)", `${global("builtins", "range")}K\0\x8a\x09\0\0\0\0\0\0\0\0\x01K\x01\x87R`),
  inert("Decimal of 10⁹ digits", `${global("decimal", "Decimal")}${text("1E+999999999")}\x85R`),
  inert(
    "a number that a careless pattern reads for hours",
    `${global("decimal", "Decimal")}${text(`${"1".repeat(2_000)}x`)}\x85R`,
  ),
  inert(
    "an array of 2⁸⁰ elements",
    `${NDARRAY}(K\x01\x8a\x06\0\0\0\0\0\x01\x8a\x06\0\0\0\0\0\x01\x86${dtype("f8")}\x89C\0tb`,
  ),
  inert("an array of negative length", `${NDARRAY}(K\x01J\xff\xff\xff\xff\x85${dtype("f8")}\x89C\0tb`),
  inert("an array of pointers", `${NDARRAY}(K\x01K\x01\x85${dtype("O8")}\x89C\x08AAAAAAAAtb`),
  inert("a codec that expands", `${global("_codecs", "encode")}${text("x")}${text("zlib_codec")}\x86R`),
  inert("a day that is none", `${global("datetime", "datetime")}C\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x85R`),
];

/** Each value holds the one before twice: 2⁶⁰ leaves in a few hundred bytes. */
const bombs = [
  refused(
    "lists of lists",
    `]\x94${Array.from({ length: 60 }, (_, i) => `0](h${String.fromCharCode(i)}h${String.fromCharCode(i)}e\x94`).join("")}`,
  ),
  refused("tuples of tuples", `N${"2\x86".repeat(60)}`),
  refused("text a million times", `${text("x".repeat(3_000))}${"2\x86".repeat(20)}`),
  refused(
    "calls of what was called",
    `${global("a", "b")}\x94)R\x94${Array.from({ length: 60 }, (_, i) => `h\0h${String.fromCharCode(i + 1)}2\x86R\x94`).join("")}${"\x86".repeat(60)}`,
  ),
  refused("classes with two bases each", `${global("builtins", "object")}${baseBomb(60)}`),
  refused("lists 2,000 deep", `${"]".repeat(2_000)}${"a".repeat(1_999)}`),
  refused("tuples 2,000 deep", `N${"\x85".repeat(2_000)}`),
  refused("calls 2,000 deep", `${global("a", "b")}${")R".repeat(2_000)}`),
];

/** A class by value whose bases are twice the class before, again and again. */
function baseBomb(times: number): string {
  const begin = `\x94${global("ray.cloudpickle.cloudpickle", "_make_skeleton_class")}\x94${text("E")}\x94${global("builtins", "type")}\x940000`;
  const each = (cls: number) => {
    const previous = `h${String.fromCharCode(cls)}`;
    return `(h\x03h\x02${previous}${previous}\x86}tR\x94`;
  };
  const classes = Array.from({ length: times }, (_, i) => `h\x01${each(i === 0 ? 0 : i + 3)}`);
  return `${begin}${classes.join("0")}`;
}

const broken = [
  { name: "no end", bytes: raw("\x80\x04N"), outcome: "refused" },
  { name: "more after the end", bytes: raw("\x80\x04N.N."), outcome: "refused" },
  refused("an empty stack at the end", ""),
  refused("two values at the end", "NN"),
  refused("an open mark at the end", "(N"),
  refused("a tuple without a mark", "Nt"),
  refused("more taken than there is", "\x87"),
  refused("more taken than since the mark", "N(N\x86"),
  refused("nothing to drop", "0"),
  refused("a call of text", `${text("os.system")})R`),
  refused("a call with a list", `${global("os", "system")}]R`),
  refused("a name that is a number", "K\x01K\x02\x93"),
  refused("text that is not UTF-8", "\x8c\x02\xc3\x28"),
  refused("text with an encoded surrogate cut short", "\x8c\x02\xed\xa0"),
] satisfies MaliciousPickle[];

export const MALICIOUS_PICKLES: readonly MaliciousPickle[] = [
  ...calls,
  ...states,
  ...opcodes,
  ...persistentIds,
  ...sizes,
  ...bombs,
  ...broken,
];
