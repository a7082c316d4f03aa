/** What the exit code of every command means; docs/cli.md repeats it. */
export const EXIT = {
  ok: 0,
  /** It was tried and did not succeed, wholly or in part. */
  failed: 1,
  /** The command line itself is wrong; nothing was tried. */
  usage: 2,
  /** `up`: the organism runs already. Every other command: it does not run. */
  running: 3,
  /** With `--check`: it succeeded, and something was found. */
  found: 4,
  /** Stopped with Ctrl-C, as shells count it. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
