/**
 * Protocol 2 writes Python 2's names of what has moved since (`fix_imports` of Python's pickler). These are the ones that
 * a name here depends on; others stay as they were written.
 */
const MODULES = new Map([
  ["__builtin__", "builtins"],
  ["copy_reg", "copyreg"],
  ["exceptions", "builtins"],
]);

const BUILTINS = new Map([
  ["xrange", "range"],
  ["unicode", "str"],
  ["long", "int"],
]);

export function toPresentName(module: string, name: string): { module: string; name: string } {
  const present = MODULES.get(module) ?? module;
  return { module: present, name: present === "builtins" ? (BUILTINS.get(name) ?? name) : name };
}
