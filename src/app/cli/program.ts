/** The command line: names, arguments, options and examples. What a command does is in `commands/`, loaded when called. */
import type { ActionState } from "#contracts/action.ts";
import { Command, Option } from "commander";
import { SEEDCORE_VERSION } from "../version.ts";
import type { CommandModule, Invocation } from "./context.ts";

/** Loads a command's module and runs it. */
export type Runner = (load: () => Promise<CommandModule>, invocation: Invocation) => Promise<void>;

export function createProgram(run: Runner, json: boolean): Command {
  const program = new Command("seedcore")
    .description("Watches series, notices what is not routine, and acts on it.")
    .version(SEEDCORE_VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .enablePositionalOptions()
    .exitOverride()
    // Descriptions are wrapped beside their terms on 80 columns too.
    .configureHelp({ minWidthToWrap: 20, subcommandTerm })
    .configureOutput({
      outputError: (text, write) =>
        write(json ? `${JSON.stringify(toUsageProblem(text))}\n` : `${text}  ${USAGE_HELP}\n`),
    })
    .addHelpText(
      "after",
      `
Start with:
  $ seedcore up                      start the organism
  $ seedcore watch data.csv          score a file's series and see what is not routine
  $ seedcore incidents               what was noticed, and what was done about it

Exit codes: 0 done · 1 failed · 2 wrong usage · 3 runs already, or does not run · 4 found something (--check)
Environment: SEEDCORE_HOME, SEEDCORE_NS, SEEDCORE_PORT, NO_COLOR, SEEDCORE_DEBUG=1 (stack traces)`,
    );

  /** One command with what all have: `--json`, an example, and its module. */
  const define = (parent: Command, usage: string, description: string, examples: readonly string[]) => {
    const command = parent.command(usage).description(description).helpOption("-h, --help", "print help");
    command.option("--json", "print JSON (docs/cli.md has the fields)");
    command.addHelpText(
      "after",
      `\n${examples.length === 1 ? "Example" : "Examples"}:\n  $ ${examples.join("\n  $ ")}`,
    );
    return command;
  };
  const calls = (command: Command, load: () => Promise<CommandModule>, fixed: Record<string, unknown> = {}) =>
    command.action(async () => {
      const options = { ...command.opts(), ...fixed };
      await run(load, { args: command.args, options });
    });

  program.commandsGroup("Running the organism:").helpCommand("help [command]", "Print help for a command.");
  calls(
    define(program, "up", "Start the organism and stay with it until Ctrl-C; on a Ray cluster, deploy it.", [
      "seedcore up",
      "seedcore up --detach",
      "RAY_ADDRESS=ray://head:10001 seedcore up",
    ])
      .option("-d, --detach", "return when it is ready, and let it run")
      .option("--insecure-cluster", "on a Ray cluster that lets in whoever reaches it"),
    () => import("./commands/up.ts"),
  );
  calls(
    define(program, "down", "Stop the organism; what it knows stays.", ["seedcore down"]).option(
      "--now",
      "end it at once instead of letting it finish what it has begun",
    ),
    () => import("./commands/down.ts"),
  );
  calls(
    define(program, "status", "Show hosts, sources, tasks and incidents.", [
      "seedcore status",
      "seedcore status --json",
    ]),
    () => import("./commands/status.ts"),
  );
  calls(
    define(program, "logs [host]", "Print the hosts' logs.", ["seedcore logs", "seedcore logs core -f --level warn"])
      .option("-f, --follow", "go on as lines are written")
      .option("-n, --lines <count>", "how many of the newest lines", "50")
      .addOption(new Option("--level <level>", "leave out lesser ones").choices(["debug", "info", "warn", "error"])),
    () => import("./commands/logs.ts"),
  );
  calls(
    define(program, "doctor", "Check this machine and the organism's files, and say what to do.", ["seedcore doctor"]),
    () => import("./commands/doctor.ts"),
  );

  program.commandsGroup("Your services:");
  calls(
    define(program, "deploy [folder]", "Run a service of one's own beside the built-in ones; again replaces it.", [
      "seedcore deploy ./greeter",
      "seedcore deploy --remove greeter",
    ])
      .option("--timeout <duration>", "how long it may take to be ready (default: 60s, on Ray 180s)")
      .option("--remove <host>", "stop and forget one that was deployed"),
    () => import("./commands/deploy.ts"),
  );
  calls(
    define(program, "rollout <host>", "Give a new version of a host the calls step by step; errors take it back.", [
      "seedcore rollout ml --to v2",
      "seedcore rollout ml --to v2 --from ../next/dist --steps 5,25,100 --every 5m",
      "seedcore rollout ml --status",
      "seedcore rollout ml --abort",
    ])
      .option("--to <version>", "name of the new version")
      .option("--from <folder>", "its build (default: the one this command is of)")
      .option("--steps <percents>", "percent of the calls it has in each step", "5,25,100")
      .option("--every <duration>", "how long it must do well in each step", "30s")
      .option("--status", "show how far it is, or how the last one ended")
      .option("--abort", "take it back"),
    () => import("./commands/rollout.ts"),
  );
  calls(
    define(program, "rollback <host>", "Put the previous version of a host in the place of the present one.", [
      "seedcore rollback greeter",
    ]),
    () => import("./commands/rollback.ts"),
  );
  calls(
    define(program, "scale <host> <replicas>", "Set how many replicas of a host run.", ["seedcore scale greeter 2"]),
    () => import("./commands/scale.ts"),
  );
  calls(
    define(program, "restart <host>", "Replace every replica of a host, one by one, new before old.", [
      "seedcore restart greeter",
    ]),
    () => import("./commands/restart.ts"),
  );
  calls(
    define(program, "call [procedure] [input...]", "Call any procedure of a service; without one, list them.", [
      "seedcore call",
      "seedcore call ml.sources",
      `seedcore call coordinator.listTasks '{"state":"failed"}'`,
      "seedcore call telemetry.scaleHost --host ml --replicas 2",
      "seedcore call ml.ingest --help",
    ])
      .helpOption(false)
      .passThroughOptions()
      .allowUnknownOption(),
    () => import("./commands/call.ts"),
  );
  defineTask(program, define, calls);

  program.commandsGroup("What it watches:");
  calls(
    define(
      program,
      "watch <source...>",
      "Watch sources: host, services, CSV files, - (NDJSON on stdin), prometheus URL.",
      [
        "seedcore watch requests.csv latency.csv",
        "seedcore watch --speed 60x requests.csv",
        'my-exporter | seedcore watch - --name shop      # lines such as {"series":"orders","timestamp":"2026-01-01T00:00:00Z","value":3}',
        "seedcore watch host services",
        "seedcore watch prometheus http://localhost:9090 --query errors='sum(rate(http_errors_total[5m]))' --backfill 7d",
      ],
    )
      .option("-n, --name <name>", "name of the source (default: the file's name without .csv)")
      .option(
        "--speed <speed>",
        "replay a file at a multiple of its own time, such as 60x; max is as fast as possible",
        "max",
      )
      .option("--minimum-change <value>", "change of the values that matters; smaller ones are never reported")
      .option("--query <name=expression>", "a Prometheus query; repeat it for more", collect)
      .option("--backfill <duration>", "how far back a Prometheus source begins, such as 7d")
      .option("--step <duration>", "resolution of a Prometheus source", "15s")
      .option("--secret <name>", "send SEEDCORE_SECRET_<name> of the organism's environment as Authorization")
      .option("--allow-private", "ask a server in a private network")
      .option("--check", "exit with 4 when something was noticed"),
    () => import("./commands/watch.ts"),
  );
  calls(
    define(program, "sources [action] [name]", "List the long-lived sources, or remove one.", [
      "seedcore sources",
      "seedcore sources remove shop-prometheus",
    ]),
    () => import("./commands/sources.ts"),
  );
  calls(
    define(program, "event <text>", "Record a change, such as a deploy; incidents near it show it.", [
      'seedcore event "shop 2.4.1 rolled out" --kind deploy --target shop',
    ])
      .option("-k, --kind <kind>", "deploy, config, scale, restart, note …", "note")
      .option("-t, --target <target>", "service, host or source it was done to", "")
      .option("--at <time>", "when, ISO 8601; now when left out"),
    () => import("./commands/event.ts"),
  );
  calls(
    define(program, "detect <file...>", "Score CSV files without an organism.", [
      "seedcore detect requests.csv",
      "seedcore detect --out results data/*.csv",
    ])
      .option("-o, --out <dir>", "write timestamp,value,anomaly_score files in the layout of NAB's results")
      .option("--minimum-change <value>", "change of the values that matters; smaller ones are never reported")
      .option("--check", "exit with 4 when something was noticed"),
    () => import("./commands/detect.ts"),
  );

  program.commandsGroup("What it noticed and did:");
  calls(
    define(program, "incidents", "List incidents, show one with its whole story, or say whether it was one.", [
      "seedcore incidents",
      "seedcore incidents show last",
      "seedcore incidents ack last",
      "seedcore incidents label last not-an-incident",
      "seedcore incidents --follow",
    ])
      .argument("[action]", "show, ack (you are at it) or label one instead of the list")
      .argument("[id]", "of the incident, its end is enough; last is the one noticed last")
      .argument("[label]", "incident, or not-an-incident: its series must then move further to be noticed")
      .option("-f, --follow", "go on with incidents as they open and change")
      .option("--open", "only open ones")
      .option("--limit <count>", "how many, newest first", "20"),
    () => import("./commands/incidents.ts"),
  );
  calls(
    define(program, "actions", "What was decided about incidents, and what became of it.", [
      "seedcore actions",
      "seedcore actions --state observed",
    ])
      .addOption(new Option("--state <state>", "only these").choices(ACTION_STATES))
      .option("--limit <count>", "how many, newest first", "20"),
    () => import("./commands/actions.ts"),
  );
  calls(
    define(program, "graph", "Who calls whom among your own services, and what is to blame.", ["seedcore graph"]),
    () => import("./commands/graph.ts"),
  );
  calls(
    define(program, "agents", "The organs, their agents, and what those have learned to do.", ["seedcore agents"]),
    () => import("./commands/agents.ts"),
  );
  calls(
    define(program, "report", "What would have been done in the mode observe, and whether it was needed.", [
      "seedcore report",
    ]),
    () => import("./commands/report.ts"),
  );
  calls(
    define(program, "calibration", "How sure of causes the organism was, and how often it was right.", [
      "seedcore calibration",
    ]),
    () => import("./commands/calibration.ts"),
  );

  program.commandsGroup("What you decide:");
  calls(
    define(program, "approve [id]", "Approve or reject what was proposed; without an id, list what waits.", [
      "seedcore approve",
      "seedcore approve act_01k…",
      'seedcore approve act_01k… --reject --reason "it is the database"',
    ])
      .option("--reject", "do not do it")
      .option("--reason <text>", "why, for the record", ""),
    () => import("./commands/approve.ts"),
  );
  calls(
    define(program, "settle [id]", "Say what became of an action; without an id, list those of which nobody knows.", [
      "seedcore settle",
      "seedcore settle act_01k… --outcome helped",
    ]).addOption(
      new Option("--outcome <outcome>", "failed is one that was not done").choices(["helped", "useless", "failed"]),
    ),
    () => import("./commands/settle.ts"),
  );
  calls(
    define(program, "policy [test] [file]", "Show what is done about incidents, or try a policy on past ones.", [
      "seedcore policy",
      "seedcore policy test --since 7d",
      "seedcore policy test next.json",
    ]).option("--since <duration>", "only on incidents of this long ago and later, such as 7d"),
    () => import("./commands/policy.ts"),
  );
  calls(
    define(program, "maintenance [action] [target]", "Keep the organism from acting on something for a time.", [
      "seedcore maintenance",
      'seedcore maintenance add shop-front --for 2h --reason "new release"',
      "seedcore maintenance remove mnt_01k…",
    ])
      .option("--for <duration>", "how long", "1h")
      .option("--reason <text>", "why", ""),
    () => import("./commands/maintenance.ts"),
  );
  calls(
    define(program, "silence [action] [series]", "Keep some series from opening incidents for a time.", [
      "seedcore silence",
      'seedcore silence add "host/*" --for 2h --reason "backup"',
      "seedcore silence remove sil_01k…",
    ])
      .option("--for <duration>", "how long", "1h")
      .option("--reason <text>", "why", ""),
    () => import("./commands/silence.ts"),
  );
  return program;
}

/** Of a command in the list, without the options that all have. */
const subcommandTerm = (command: Command): string =>
  `${command.name()} ${command.usage()}`.replace(" [options]", "").trimEnd();

const USAGE_HELP = "Run with --help for the options and an example.";

/** What commander says of a wrong line, as every other error looks with `--json`. */
function toUsageProblem(text: string): object {
  return { error: { code: "USAGE", message: text.replace(/^error: /, "").trim(), todo: [USAGE_HELP] } };
}

const ACTION_STATES = [
  "observed",
  "held",
  "proposed",
  "rejected",
  "expired",
  "acting",
  "done",
  "checking",
  "helped",
  "useless",
  "undoing",
  "undone",
  "failed",
  "unknown",
] satisfies readonly ActionState[];

type Define = (parent: Command, usage: string, description: string, examples: readonly string[]) => Command;
type Calls = (command: Command, load: () => Promise<CommandModule>, fixed?: Record<string, unknown>) => Command;

function defineTask(program: Command, define: Define, calls: Calls): void {
  const task = program.command("task").description("Submit, show, list, cancel and retry tasks.");
  task.helpOption("-h, --help", "print help").helpCommand(false);
  task.addHelpText(
    "after",
    `\nExamples:\n  $ seedcore task submit notify --params '{"message":"hello"}' --wait\n  $ seedcore task list --state failed`,
  );
  const load = () => import("./commands/task.ts");

  calls(
    define(task, "submit <type>", "Store a task; it runs until it succeeds or its attempts are used up.", [
      `seedcore task submit notify --params '{"message":"hello"}' --wait`,
    ])
      .option("--params <json>", "what the skill gets", "{}")
      .option("--description <text>", "for people")
      .option("--priority <1-10>", "10 is first", "5")
      .option("--domain <domain>", "for routing")
      .option("--attempts <count>", "at most")
      .option("--timeout <duration>", "for one attempt")
      .option("-w, --wait", "until it is final; exits with 1 when it failed"),
    load,
    { action: "submit" },
  );
  calls(define(task, "show <id>", "Show one task.", ["seedcore task show task_01k…"]), load, { action: "show" });
  calls(
    define(task, "list", "List tasks, newest first.", ["seedcore task list --state failed"])
      .addOption(
        new Option("--state <state>", "only these").choices([
          "scheduled",
          "queued",
          "running",
          "succeeded",
          "failed",
          "cancelled",
        ]),
      )
      .option("--type <type>", "only these")
      .option("--limit <count>", "how many", "20"),
    load,
    { action: "list" },
  );
  calls(
    define(task, "cancel <id>", "Cancel a task; a running one is stopped.", ["seedcore task cancel task_01k…"]),
    load,
    {
      action: "cancel",
    },
  );
  calls(
    define(task, "retry <id>", "Give a failed or cancelled task new attempts.", ["seedcore task retry task_01k…"]),
    load,
    { action: "retry" },
  );
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
