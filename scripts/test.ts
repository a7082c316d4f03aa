/**
 * `npm test`: every check and test, each step whether or not an earlier one failed; at the end `N passed, N failed`.
 * With arguments only the named steps, such as `npm test -- types unit`.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  /** What failed, each with the first lines of why: a record of a long run often keeps its end only. */
  readonly failures: readonly string[];
}

interface StepRun extends Counts {
  readonly name: string;
  readonly seconds: number;
}

const root = join(import.meta.dirname, "..");
const results = mkdtempSync(join(tmpdir(), "seedcore-test-"));
const tool = (path: string, ...args: string[]) => [process.execPath, join(root, "node_modules", path), ...args];

const checks: Record<string, readonly string[]> = {
  format: tool("@biomejs/biome/bin/biome", "format", "."),
  lint: tool("oxlint/bin/oxlint", "--type-aware", "--deny-warnings"),
  types: tool("typescript/bin/tsc", "-p", "tsconfig.json"),
  "page types": tool("typescript/bin/tsc", "-p", "dashboard/tsconfig.json"),
  unused: tool("knip/bin/knip.js"),
  build: [process.execPath, join(root, "scripts", "build.mjs")],
};
/** One after another; those of one line side by side: they mostly wait, and keep a fifth of a core busy each. */
const projects = [["unit"], ["system", "postgres"], ["ray"]] as const;

const pins = join(root, "test", "ray", "requirements.txt");
const venv = join(root, ".venv");
/** Whether scripts/python.sh has made the environment of exactly these pins. */
const hasPython = textOf(join(venv, "requirements.txt")) === textOf(pins);
const python = (...args: string[]) => [join(venv, "bin", "python"), "-m", ...args];
const pythonFolders = ["examples", join("src", "runtime", "ray", "python"), join("test", "ray")].filter((folder) =>
  existsSync(join(root, folder)),
);
const pythonChecks: Record<string, readonly string[]> = {
  "ruff format": python("ruff", "format", "--check", ...pythonFolders),
  "ruff check": python("ruff", "check", ...pythonFolders),
  mypy: python("mypy", "--strict", ...pythonFolders),
  ...(existsSync(join(root, "test", "ray", "python"))
    ? { pytest: python("pytest", "-q", join("test", "ray", "python")) }
    : {}),
};

const wanted = new Set(process.argv.slice(2));
/** The part of `ray` that `npm run test:ray` runs on another version; by name only. */
const smoke = "smoke";
const known = [...Object.keys(checks), "python", ...projects.flat(), smoke];
const unknown = [...wanted].filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no step ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
  process.exit(2);
}
const isWanted = (name: string) => wanted.size === 0 || wanted.has(name);

const runs: StepRun[] = [];
// Checks keep one core busy each; the tests after them have both.
runs.push(
  ...(await Promise.all(
    Object.entries(checks)
      .filter(([name]) => isWanted(name))
      .map(runCheck),
  )),
);
if (isWanted("python")) runs.push(await runPython());
for (const abreast of projects) {
  const [first, ...others] = abreast.filter(isWanted);
  if (first === undefined) continue;
  const all = [runTests(first, "show"), ...others.map((project) => runTests(project, "keep"))];
  runs.push(...(await Promise.all(all)));
}
if (wanted.has(smoke))
  runs.push({ ...(await runVitest(smoke, "show", "--project=ray", `--tagsFilter=${smoke}`)), skipped: [] });
rmSync(results, { recursive: true, force: true });

const sum = (of: (run: StepRun) => number) => runs.reduce((total, run) => total + of(run), 0);
console.log("");
for (const { name, passed, failed, skipped, seconds } of runs) {
  const skips = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
  console.log(`${failed > 0 ? "✗" : "✓"} ${name.padEnd(7)} ${passed} passed, ${failed} failed${skips} (${seconds} s)`);
}
for (const name of runs.flatMap(({ skipped }) => skipped)) console.log(`  skipped: ${name}`);
for (const what of runs.flatMap(({ failures }) => failures)) console.log(`  failed: ${what}`);
console.log("");
console.log(`${sum(({ passed }) => passed)} passed, ${sum(({ failed }) => failed)} failed`);
process.exitCode = sum(({ failed }) => failed) > 0 ? 1 : 0;

/** One check counts as one; its output is shown whole when it is done, so that checks do not mix. */
async function runCheck([name, command]: [string, readonly string[]]): Promise<StepRun> {
  const began = performance.now();
  const { code, output } = await run(command, "keep");
  const seconds = since(began);
  console.log(`${code === 0 ? "✓" : "✗"} ${name} (${seconds} s)`);
  if (code !== 0) console.log(output);
  const failures = code === 0 ? [] : [name];
  return { name, seconds, passed: 1 - failures.length, failed: failures.length, skipped: [], failures };
}

/** What the Python of this project must pass; each check counts as one. */
async function runPython(): Promise<StepRun> {
  if (!hasPython) return leftOut("python");
  const began = performance.now();
  const failures: string[] = [];
  for (const [name, command] of Object.entries(pythonChecks)) {
    const { code, output } = await run(command, "keep");
    console.log(`${code === 0 ? "✓" : "✗"} python: ${name}`);
    if (code !== 0) console.log(output);
    if (code !== 0) failures.push(name);
  }
  const failed = failures.length;
  const passed = Object.keys(pythonChecks).length - failed;
  return { name: "python", seconds: since(began), passed, failed, skipped: [], failures };
}

function leftOut(name: string): StepRun {
  return {
    name,
    seconds: 0,
    passed: 0,
    failed: 0,
    skipped: [`${name}, whole: Python 3.11 to 3.13 is missing (see above)`],
    failures: [],
  };
}

async function runTests(project: string, shown: "keep" | "show"): Promise<StepRun> {
  if (project === "ray" && !hasPython) return leftOut(project);
  return await runVitest(project, shown, `--project=${project}`);
}

/** What is kept is shown whole when it is done. */
async function runVitest(name: string, shown: "keep" | "show", ...args: readonly string[]): Promise<StepRun> {
  const began = performance.now();
  const report = join(results, `${name}.json`);
  const command = tool("vitest/vitest.mjs", "run", ...args, "--reporter=default", "--reporter=json");
  const { code, output } = await run([...command, `--outputFile.json=${report}`], shown);
  if (shown === "keep") console.log(output);
  return { name, seconds: since(began), ...readReport(report, code) };
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** A file that could not even be loaded has no tests to count, and an error beside the tests fails the run: each is one failure. */
function readReport(file: string, code: number): Counts {
  let report: VitestReport;
  try {
    report = JSON.parse(readFileSync(file, "utf8")) as VitestReport;
  } catch {
    return { passed: 0, failed: 1, skipped: [], failures: ["the run ended without a report"] };
  }
  const tests = report.testResults.flatMap(({ assertionResults }) => assertionResults);
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((assertion) => assertion.status === "failed");
    if (failed.length === 0 && status === "failed") return [`${name}\n${indented(message)}`];
    return failed.map(({ fullName, failureMessages }) => `${fullName}\n${indented(failureMessages[0] ?? "")}`);
  });
  if (failures.length === 0 && code !== 0) failures.push("an error beside the tests, see above");
  return {
    passed: report.numPassedTests,
    failed: failures.length,
    skipped: tests.filter(({ status }) => status === "pending" || status === "skipped").map(({ fullName }) => fullName),
    failures,
  };
}

function indented(message: string): string {
  const lines = message.split("\n").slice(0, 8);
  return lines.map((line) => `    ${line.slice(0, 200)}`).join("\n");
}

function run(command: readonly string[], output: "keep" | "show"): Promise<{ code: number; output: string }> {
  const [program = "", ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ["ignore", output === "keep" ? "pipe" : "inherit", output === "keep" ? "pipe" : "inherit"],
    });
    // A terminal ends all of its processes; whoever ends this one alone means the others, too.
    const end = () => {
      child.once("close", () => process.exit(143));
      child.kill("SIGTERM");
    };
    process.once("SIGTERM", end);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part: Buffer) => (text += part.toString()));
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code) => {
      process.off("SIGTERM", end);
      resolve({ code: code ?? 1, output: text });
    });
  });
}

function textOf(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function since(began: number): number {
  return Math.round((performance.now() - began) / 100) / 10;
}
