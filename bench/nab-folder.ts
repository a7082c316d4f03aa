/** The Numenta files for a bench; without them it ends with a sentence, not with a stack. */
import { hasNab, NAB_FOLDER, NAB_NEEDED } from "#testing/nab-folder.ts";

export function nabFolder(): string {
  if (hasNab) return NAB_FOLDER;
  console.error(`This bench ${NAB_NEEDED}. There is nothing at ${NAB_FOLDER}.`);
  process.exit(1);
}
