/** Where in the page somebody is: `#/incidents/inc_1` is ["incidents", "inc_1"]. */
import { signal } from "@preact/signals";

const read = (): readonly string[] =>
  location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map(decode);

/** An address that somebody typed may hold anything. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const place = signal(read());

export function followPlace(): () => void {
  const changed = () => {
    place.value = read();
  };
  addEventListener("hashchange", changed);
  return () => removeEventListener("hashchange", changed);
}

export const linkTo = (...parts: readonly string[]): string => `#/${parts.map(encodeURIComponent).join("/")}`;
