import type { CommandContext, Invocation } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-code.ts";
import { formatShare } from "../format.ts";

/** `calibration`: how sure the organism said that it was of causes, and how often it was right. */
export async function run(context: CommandContext, _invocation: Invocation): Promise<ExitCode> {
  const { output } = context;
  const calibration = await (await context.connect()).getServiceClient("cognitive").calibration({});
  output.data(calibration);
  const { outcomes, bins, brierRaw, brierCorrected } = calibration;
  if (outcomes === 0) {
    output.line("No cause was put to the test yet: that takes an action about one, and a look at whether it helped.");
    output.hint("", "Next: seedcore incidents");
    return EXIT.ok;
  }
  output.table(
    [
      { title: "SAID" },
      { title: "TIMES", align: "right" },
      { title: "SURE ON AVERAGE", align: "right" },
      { title: "RIGHT", align: "right" },
    ],
    bins
      .filter(({ predictions }) => predictions > 0)
      .map(({ from, to, predictions, meanConfidence, rightShare }) => [
        `${formatShare(from)} to ${formatShare(to)}`,
        String(predictions),
        formatShare(meanConfidence),
        formatShare(rightShare),
      ]),
  );
  output.hint(
    "",
    `Mean squared error (Brier score) ${brierRaw?.toFixed(3)} as said, ${brierCorrected?.toFixed(3)} as corrected; 0 is always sure and right.`,
    "Confidences are corrected by it before rules of the policy see them.",
  );
  return EXIT.ok;
}
