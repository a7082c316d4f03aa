/**
 * Imported before all else: uPlot asks Intl for the language of the browser when it is loaded, and throws, which leaves
 * the page empty, where that is none. Chromium on a system with LANG=C or POSIX says "en-US@posix".
 */
if (!isLanguage(navigator.language)) Object.defineProperty(navigator, "language", { value: "en-US" });

function isLanguage(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
