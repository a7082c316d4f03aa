/** A readable page of every service, made from its OpenAPI description; no scripts, nothing loaded from elsewhere. */
import { createHash } from "node:crypto";
import { DOCS_STYLE } from "./docs-style.ts";
import type { OpenApi, Operation, Parameter } from "./openapi.ts";
import { toLimits, toTypeText } from "./type-text.ts";

/** Allows the page's own style and nothing else. */
export const DOCS_CSP = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(DOCS_STYLE).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

export function toDocsPage(api: OpenApi): string {
  const entries: Entry[] = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const services = api.tags.map((tag) => ({
    ...tag,
    entries: entries.filter((entry) => entry.operation.tags[0] === tag.name),
  }));
  const nav = services.map(
    ({ name, entries: own }) =>
      `<details open><summary>${text(name)}</summary><ul>${own.map(navItem).join("")}</ul></details>`,
  );
  const sections = services.map(
    ({ name, description, entries: own }) =>
      `<section><h2 id="${text(name)}">${text(name)}</h2><p>${text(description)}</p>${own.map(article).join("")}</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${text(api.info.title)} services</title>
<style>${DOCS_STYLE}</style>
</head>
<body>
<nav aria-label="Procedures">${nav.join("")}</nav>
<main>
<header>
<h1>${text(api.info.title)} services</h1>
<p>${text(api.info.description)} Send <code>Authorization: Bearer &lt;token&gt;</code> with every request. The same as
OpenAPI 3.1: <code>GET /openapi.json</code>. From a terminal: <code>seedcore call SERVICE.PROCEDURE</code>. An error is a
problem document (RFC 9457) whose <code>code</code> says what happened and whose <code>started</code> says whether the
work had begun.</p>
</header>
${sections.join("\n")}
</main>
</body>
</html>
`;
}

function navItem({ method, operation }: Entry): string {
  const { procedure } = operation["x-seedcore"];
  return `<li><a href="#${text(operation.operationId)}">${badge(method)}${text(procedure)}</a></li>`;
}

function article({ method, path, operation }: Entry): string {
  const { scope, idempotent, deadlineMs, stream, errors } = operation["x-seedcore"];
  const facts = [
    `scope ${scope}`,
    idempotent ? "repeatable" : "takes an idempotency key",
    stream ? `opens within ${seconds(deadlineMs)}` : `answers within ${seconds(deadlineMs)}`,
  ];
  const answer = Object.values(operation.responses["200"]?.content ?? {})[0]?.schema ?? {};
  const codes = Object.entries(errors);
  return `<article id="${text(operation.operationId)}">
<h3>${badge(method)}<code>${text(path).replaceAll("/", "/<wbr>")}</code></h3>
<p>${text(operation.summary)}</p>
<p class="facts"><code>${text(operation.operationId)}</code>${facts.map((fact) => `<span>${text(fact)}</span>`).join("")}</p>
${inputTable(operation)}
<h4>${stream ? "Each event" : "Answer"}</h4>
<pre tabindex="0"><code>${text(toTypeText(answer))}</code></pre>
${codes.length === 0 ? "" : `<h4>Errors of its own</h4><dl>${codes.map(([code, data]) => `<dt><code>${text(code)}</code></dt><dd><pre tabindex="0"><code>${text(toTypeText(data))}</code></pre></dd>`).join("")}</dl>`}
</article>`;
}

function inputTable(operation: Operation): string {
  const body = operation.requestBody?.content["application/json"]?.schema;
  const required = new Set(body?.required);
  const rows: (Omit<Parameter, "in"> & { readonly in: string })[] = [
    ...operation.parameters.filter((parameter) => parameter.in !== "header"),
    ...Object.entries(body?.properties ?? {}).map(([name, schema]) => ({
      name,
      in: "body",
      required: required.has(name),
      schema,
    })),
    ...operation.parameters.filter((parameter) => parameter.in === "header"),
  ];
  if (rows.length === 0) return "<p>Takes no input.</p>";
  const cells = rows.map(({ name, in: where, required: needed, description, schema }) => {
    const notes = [description ?? schema.description, toLimits(schema)].filter(
      (note) => note !== undefined && note !== "",
    );
    return `<tr><th scope="row"><code>${text(name)}</code>${needed ? '<span class="needed">required</span>' : ""}</th><td>${text(where)}</td><td><pre tabindex="0"><code>${text(toTypeText(schema))}</code></pre>${notes.map((note) => `<p>${text(String(note))}</p>`).join("")}</td></tr>`;
  });
  return `<h4>Input</h4><table><thead><tr><th scope="col">Field</th><th scope="col">In</th><th scope="col">Type</th></tr></thead><tbody>${cells.join("")}</tbody></table>`;
}

function badge(method: string): string {
  return `<b class="${method.toLowerCase()}">${method}</b>`;
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
}

function text(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
