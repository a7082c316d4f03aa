/** Several Prometheus texts as one: each family's HELP and TYPE once, each sample with where it came from. */

export interface Exposition {
  readonly text: string;
  /** Added to every sample that does not have them. */
  readonly labels: Readonly<Record<string, string>>;
}

interface Family {
  help: string | undefined;
  type: string | undefined;
  readonly samples: string[];
}

export function mergeExpositions(expositions: readonly Exposition[]): string {
  const families = new Map<string, Family>();
  const familyOf = (name: string): Family => {
    let family = families.get(name);
    if (family === undefined) {
      family = { help: undefined, type: undefined, samples: [] };
      families.set(name, family);
    }
    return family;
  };

  for (const { text, labels } of expositions) {
    let declared = "";
    for (const line of text.split("\n")) {
      const comment = /^# (HELP|TYPE) (\S+)/.exec(line);
      if (comment) {
        declared = comment[2] ?? "";
        const family = familyOf(declared);
        if (comment[1] === "HELP") family.help ??= line;
        else family.type ??= line;
        continue;
      }
      if (line === "" || line.startsWith("#")) continue;
      const name = /^[^{\s]+/.exec(line)?.[0] ?? "";
      // A histogram's samples have suffixes; they follow their family's declaration.
      const isOfDeclared = declared !== "" && name.startsWith(declared);
      familyOf(isOfDeclared ? declared : name).samples.push(withLabels(line, labels));
    }
  }

  const lines: string[] = [];
  for (const { help, type, samples } of families.values()) {
    if (help !== undefined) lines.push(help);
    if (type !== undefined) lines.push(type);
    lines.push(...samples);
  }
  return `${lines.join("\n")}\n`;
}

function withLabels(sample: string, labels: Readonly<Record<string, string>>): string {
  const open = /^[^{\s]+\{/.exec(sample)?.[0];
  const present = open === undefined ? [] : labelNames(sample.slice(open.length));
  const added = Object.entries(labels)
    .filter(([name]) => !present.includes(name))
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",");
  if (added === "") return sample;
  if (open === undefined) return sample.replace(/^[^{\s]+/, (name) => `${name}{${added}}`);
  return `${open}${added}${present.length > 0 ? "," : ""}${sample.slice(open.length)}`;
}

/** Names of the labels up to the closing brace; values may hold anything, braces and escaped quotes included. */
function labelNames(text: string): string[] {
  const names: string[] = [];
  const label = /\s*([a-zA-Z_][\w]*)\s*=\s*"(?:[^"\\]|\\.)*"\s*,?/y;
  for (let match = label.exec(text); match !== null; match = label.exec(text)) names.push(match[1] ?? "");
  return names;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
