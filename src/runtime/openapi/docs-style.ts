/** The style of the docs page: one column on a phone, the list of procedures beside it where there is room. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dde3, #353c45); --soft: light-dark(#f4f6f8, #1d2228); --ink: light-dark(#1b2127, #e3e8ed); --dim: light-dark(#5a6672, #9aa7b4); --back: light-dark(#ffffff, #14181c); --link: light-dark(#0b5cad, #7ab8f5); }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { padding: 1rem; min-width: 0; }
nav { padding: 1rem; border-bottom: 1px solid var(--line); background: var(--soft); font-size: .875rem; max-height: 40vh; overflow: auto; }
nav summary { font-weight: 600; cursor: pointer; padding: .25rem 0; }
nav ul { list-style: none; margin: 0 0 .5rem; padding: 0; }
nav a { display: flex; gap: .5rem; align-items: baseline; padding: .2rem 0; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
h1 { margin: 0 0 .5rem; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2.5rem 0 0; padding-bottom: .25rem; border-bottom: 1px solid var(--line); font-size: 1.35rem; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
h4 { margin: 1rem 0 .35rem; font-size: .8rem; font-weight: 600; color: var(--dim); }
p { margin: .5rem 0; max-width: 48rem; }
article { margin: 1rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; }
article:target { border-color: var(--link); }
code, pre { font: .85em/1.45 ui-monospace, Menlo, Consolas, monospace; }
pre code { font: inherit; }
pre { margin: 0; padding: .6rem .75rem; background: var(--soft); border-radius: .35rem; overflow-x: auto; }
td pre { padding: 0; background: none; }
b { display: inline-block; min-width: 4.4em; margin-right: .5rem; padding: 0 .35em; border-radius: .25rem; font-size: .7rem; font-weight: 700; text-align: center; color: #fff; background: #5a6672; }
nav b { margin: 0; flex: none; }
b.get { background: #1d6f42; } b.post { background: #0b5cad; } b.put { background: #8a5a00; } b.delete { background: #a3262b; }
.facts { display: flex; flex-wrap: wrap; gap: .35rem 1rem; color: var(--dim); font-size: .875rem; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; table-layout: fixed; }
th, td { padding: .4rem .5rem; border-top: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere; }
thead th { border: 0; color: var(--dim); font-weight: 500; }
th:nth-child(1) { width: 30%; } th:nth-child(2) { width: 4.5rem; }
td p { margin: .2rem 0 0; color: var(--dim); }
.needed { display: block; color: var(--dim); font-size: .75rem; font-weight: 400; }
dl { margin: 0; } dt { margin-top: .4rem; } dd { margin: .2rem 0 0; }
@media (min-width: 60rem) {
  body { display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; max-height: none; border-right: 1px solid var(--line); border-bottom: 0; }
  main { max-width: 68rem; padding: 2rem; }
}
`;
