/** Light or dark: as the system says until somebody says otherwise. */
import { effect, signal } from "@preact/signals";

export type Theme = "light" | "dark";

const KEY = "seedcore-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

const stored = localStorage.getItem(KEY);
export const theme = signal<Theme>(
  stored === "light" || stored === "dark" ? stored : system.matches ? "dark" : "light",
);

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

system.addEventListener("change", () => {
  if (localStorage.getItem(KEY) === null) theme.value = system.matches ? "dark" : "light";
});

export function switchTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, theme.value);
}

/** A colour of style.css as it is now. */
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
