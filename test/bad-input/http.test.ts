/** Broken, hostile and impatient HTTP at the door and at the hosts behind it: told as problems, and nobody else notices. */
import { request as send } from "node:http";
import { connect } from "node:net";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { telemetry } from "#contracts/telemetry.ts";
import { createKeyPair, readOrCreateKeyPair } from "#runtime/auth/key-pair.ts";
import { mintToken } from "#runtime/auth/token.ts";
import { TestOrganism } from "../app/organism.ts";

/** No answer by then is a hang, however busy the machine. */
const HANG_MS = 20_000;

let organism: TestOrganism;
let gateway: string;
let core: string;
let ml: string;

beforeAll(async () => {
  organism = await TestOrganism.create();
  gateway = (await organism.up()).gatewayUrl;
  const { hosts } = await platform();
  const addressOf = (name: string) => hosts.find((host) => host.name === name)?.replicas[0]?.address ?? "";
  core = addressOf("core");
  ml = addressOf("ml");
});
afterAll(() => organism.destroy());

interface Ask {
  readonly url?: string;
  readonly method?: string;
  readonly token?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | object;
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: { readonly [field: string]: unknown };
}

/** Sends what `fetch` would refuse or tidy up. */
function ask(
  path: string,
  { url = gateway, method, token = organism.token(), headers, body }: Ask = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  return new Promise((resolve, reject) => {
    const request = send({
      hostname,
      port,
      path,
      method: method ?? (text === undefined ? "GET" : "POST"),
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
      agent: false,
      signal: AbortSignal.timeout(HANG_MS),
    });
    request.on("error", reject).on("response", (response) => {
      let received = "";
      response.setEncoding("utf8").on("data", (piece: string) => (received += piece));
      response.on("end", () => {
        const answer = received === "" ? {} : (JSON.parse(received) as Answer["body"]);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer });
      });
    });
    request.end(text);
  });
}

async function platform() {
  return telemetry.procedures.status.output.parse((await ask("/telemetry/status")).body);
}

/** Writes bytes and gives back what is answered until the other side has nothing more to say. */
function exchangeBytes(url: string, bytes: string, leave = false): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(bytes);
      if (leave) socket.end();
    });
    let received = "";
    socket.setTimeout(HANG_MS, () => reject(new Error(`Nothing for ${HANG_MS} ms after: ${received}`)));
    socket.on("data", (piece) => (received += piece.toString()));
    socket.on("error", () => {}).on("close", () => resolve(received));
    socket.on("end", () => socket.destroy());
  });
}

const authorised = () => `Host: 127.0.0.1\r\nAuthorization: Bearer ${organism.token()}\r\n`;

describe("what is no HTTP request", () => {
  it.each([
    ["noise", () => "\u0001\u0002 noise\r\n\r\n", 400],
    ["TLS", () => "\u0016\u0003\u0001\u0002\u0000\u0001\u0000", 400],
    ["HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    [
      "two lengths",
      () => `POST /coordinator/tasks HTTP/1.1\r\n${authorised()}Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345`,
      400,
    ],
    [
      "a length and chunks",
      () =>
        `POST /coordinator/tasks HTTP/1.1\r\n${authorised()}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ["a NUL in a header", () => `GET /coordinator/status HTTP/1.1\r\n${authorised()}x: a\u0000b\r\n\r\n`, 400],
    [
      "3,000 headers",
      () => `GET /coordinator/status HTTP/1.1\r\n${authorised()}${"abcdef: 1\r\n".repeat(3_000)}\r\n`,
      431,
    ],
    [
      "a header of 100 KB",
      () => `GET /coordinator/status HTTP/1.1\r\n${authorised()}x: ${"a".repeat(100_000)}\r\n\r\n`,
      431,
    ],
  ])("%s is refused with a problem document", async (_name, bytes, status) => {
    for (const url of [gateway, core]) {
      const received = await exchangeBytes(url, bytes());
      expect(received).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(received).toContain("content-type: application/problem+json");
      expect(JSON.parse(received.slice(received.indexOf("\r\n\r\n") + 4))).toMatchObject({ code: "MALFORMED", status });
    }
  });

  it("or a half one of a client that leaves is forgotten", async () => {
    for (const url of [gateway, core]) {
      await exchangeBytes(
        url,
        `POST /coordinator/tasks HTTP/1.1\r\n${authorised()}Content-Length: 500\r\n\r\n{"type":`,
        true,
      );
      await exchangeBytes(url, `GET /coordinator/incidents/live HTTP/1.1\r\n${authorised()}\r\n`, true);
    }
    expect((await ask("/coordinator/status")).status).toBe(200);
  });
});

describe("addresses", () => {
  it.each(["/%zz", "/-/%zz", "/coordinator/tasks/%zz", "/ml/sources/%E0%A4%A", "/ml/sources/%C0%AF"])(
    "that are wrongly encoded are told so: %s",
    async (path) => {
      const { status, body } = await ask(path);
      expect({ status, code: body["code"] }).toEqual({ status: 400, code: "MALFORMED" });
    },
  );

  it.each([
    "/coordinator/status/",
    "//coordinator/status",
    "/ml/../../etc/passwd",
    "/__proto__/x",
    "/coordinator/tasks/%2e%2e/../x",
  ])("that lead nowhere do: %s", async (path) => {
    for (const url of [gateway, core]) {
      const { status, body } = await ask(path, { url });
      expect({ status, code: body["code"] }).toEqual({ status: 404, code: "NOT_FOUND" });
    }
  });

  it("name a source by what they hold, not by where they seem to lead", async () => {
    const point = { series: [{ name: "../../y", points: [[1, 1]] }] };
    expect((await ask("/ml/sources/..%2F..%2Fx/points", { body: point })).body).toMatchObject({ accepted: 1 });
    const { body } = await ask("/ml/sources/..%2F..%2Fx/series/..%2F..%2Fy/points");
    expect(body).toEqual({ points: [[1, 1, expect.any(Number)]] });
  });
});

describe("bodies", () => {
  it.each([
    ["not JSON", "{nope", 400],
    ["nothing", "", 400],
    ["50,000 levels", `{"type":"noop","params":{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}}`, 400],
    ["a prototype", '{"type":"noop","params":{"__proto__":{"polluted":true}}}', 400],
    ["half a character", '{"type":"noop","description":"\\ud800"}', 400],
    ["null", "null", 422],
    ["a list", "[]", 422],
  ])("%s are refused as what they are", async (_name, body, status) => {
    for (const url of [gateway, core]) {
      const answer = await ask("/coordinator/tasks", { url, method: "POST", body });
      expect({ status: answer.status, started: answer.body["started"] }).toEqual({ status, started: "no" });
    }
  });

  it("of another type are refused", async () => {
    for (const type of ["text/xml", "multipart/form-data", "///", "application/x-www-form-urlencoded"]) {
      const { status, body } = await ask("/coordinator/tasks", {
        headers: { "content-type": type },
        body: "type=noop",
      });
      expect({ type, status, code: body["code"] }).toEqual({ type, status: 415, code: "MALFORMED" });
    }
  });

  it("that are too large are refused before they are read", async () => {
    const head = `POST /coordinator/tasks HTTP/1.1\r\n${authorised()}Content-Type: application/json\r\n`;
    for (const url of [gateway, core]) {
      const received = await exchangeBytes(url, `${head}Content-Length: 99999999999\r\n\r\n{`);
      expect(received).toContain('"code":"TOO_LARGE"');
    }
  });

  // JSON may hold two names that no database tells apart.
  it("cannot make two series into one row", async () => {
    const series = [
      { name: "a\ud800", points: [[1, 1]] },
      { name: "a\ud801", points: [[1, 1]] },
    ];
    expect((await ask("/ml/sources/halves/points", { body: { series } })).status).toBe(400);
  });

  // A sum that is no whole number any more could never be read again: every listing of agents failed.
  it("cannot poison the counts of an agent", async () => {
    const outcomes = [{ agent: "a", organ: "o", succeeded: Number.MAX_SAFE_INTEGER, failed: 1 }];
    for (const batchId of ["1", "2"]) {
      expect((await ask("/state/agents/outcomes", { body: { batchId, outcomes } })).status).toBe(422);
    }
    expect((await ask("/state/agents")).status).toBe(200);
  });

  it("cannot bring control characters into an incident", async () => {
    const crossing = {
      id: "x",
      source: "s\u001b[2J",
      series: "y",
      startedAtMs: 1,
      value: 1,
      expected: 1,
      spread: 1,
      score: 1,
      direction: "up",
    };
    const { status } = await ask("/coordinator/crossings/x", { method: "PUT", body: { crossing } });
    expect(status).toBe(422);
  });
});

describe("deadlines", () => {
  it.each(["0", "-5", "-1e300"])("of %s have passed already", async (deadline) => {
    for (const url of [gateway, core]) {
      const { status, body } = await ask("/coordinator/status", {
        url,
        headers: { "x-seedcore-deadline-ms": deadline },
      });
      expect({ status, code: body["code"] }).toEqual({ status: 504, code: "EXPIRED" });
    }
  });

  it.each(["NaN", "Infinity", "", "soon"])("of %j are no deadlines", async (deadline) => {
    for (const url of [gateway, core]) {
      const { status } = await ask("/coordinator/status", { url, headers: { "x-seedcore-deadline-ms": deadline } });
      expect(status).toBe(400);
    }
  });

  it("however far away are cut to what the host allows", async () => {
    expect((await ask("/coordinator/status", { headers: { "x-seedcore-deadline-ms": "1e300" } })).status).toBe(200);
  });
});

describe("tokens", () => {
  it("that are wrong, expired, of another organism, or say too little are told apart", async () => {
    const { privateJwk } = readOrCreateKeyPair(join(organism.directory, "key.json"));
    const mint = (key: typeof privateJwk, ttlMs: number, namespace = "seedcore-dev") =>
      mintToken(key, { subject: "ada", scopes: ["read"], namespace, ttlMs });
    const tokens = {
      nonsense: "nonsense",
      unsigned: `${Buffer.from('{"alg":"none"}').toString("base64url")}.${organism.token().split(".")[1]}.`,
      forged: await mint(createKeyPair().privateJwk, 60_000),
      expired: await mint(privateJwk, -60_000),
      elsewhere: await mint(privateJwk, 60_000, "other"),
    };
    for (const url of [gateway, core]) {
      for (const [name, token] of Object.entries(tokens)) {
        const { status, headers, body } = await ask("/coordinator/status", { url, token });
        expect({ name, status, code: body["code"] }).toEqual({ name, status: 401, code: "UNAUTHENTICATED" });
        expect(headers["www-authenticate"]).toBe("Bearer");
      }
      const reader = await mint(privateJwk, 60_000);
      expect((await ask("/coordinator/status", { url, token: reader })).status).toBe(200);
      const refused = await ask("/coordinator/tasks", { url, token: reader, body: { type: "noop" } });
      expect(refused).toMatchObject({
        status: 403,
        body: { code: "FORBIDDEN", detail: expect.stringContaining("operate") },
      });
    }
  });

  it("do not open the door to other names and other pages", async () => {
    for (const host of ["evil.example", "127.0.0.1@evil.example", "localhost."]) {
      expect((await ask("/coordinator/status", { headers: { host } })).body["code"]).toBe("MISDIRECTED");
    }
    for (const origin of ["null", "http://evil.example", "http://localhost:1"]) {
      expect((await ask("/coordinator/status", { headers: { origin } })).body["code"]).toBe("FORBIDDEN");
    }
  });
});

describe("idempotency keys", () => {
  it("run once, also when they come at once and by the thousand, and refuse another body", async () => {
    const submit = (key: string, priority = 5) =>
      ask("/coordinator/tasks", { headers: { "idempotency-key": key }, body: { type: "noop", priority } });
    const before = await taskCount();
    const answers = await Promise.all(Array.from({ length: 40 }, () => submit("once")));
    const ids = new Set(answers.filter(({ status }) => status === 200).map(({ body }) => body["id"]));
    expect(ids.size).toBe(1);
    expect(answers.every(({ status, body }) => status === 200 || body["code"] === "KEY_IN_PROGRESS")).toBe(true);
    expect((await submit("once", 9)).body["code"]).toBe("KEY_REUSED");

    for (let from = 0; from < 1_000; from += 50) {
      const batch = await Promise.all(Array.from({ length: 50 }, (_, i) => submit(`many ${from + i}`)));
      expect(batch.map(({ status }) => status)).toEqual(batch.map(() => 200));
    }
    expect(await taskCount()).toBe(before + 1_001);
  });

  async function taskCount(): Promise<number> {
    const { body } = await ask("/coordinator/tasks?limit=1");
    return body["total"] as number;
  }
});

describe("streams", () => {
  // A watcher that is not let go of costs memory for ever, and after 256 of them nobody can watch.
  it("that are abandoned by the hundred are let go of", async () => {
    for (let round = 0; round < 4; round++) {
      for (const path of ["/coordinator/incidents/live", "/ml/sources/any/live"]) {
        await Promise.all(Array.from({ length: 100 }, () => openAndLeave(path)));
      }
    }
    await expect.poll(openStreams, { timeout: HANG_MS }).toBe(0);
  });

  function openAndLeave(path: string): Promise<void> {
    const { hostname, port } = new URL(gateway);
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${organism.token()}` };
      const request = send({ hostname, port, path, headers, agent: false, signal: AbortSignal.timeout(HANG_MS) });
      request.on("response", (response) => {
        expect(response.statusCode).toBe(200);
        request.destroy();
        resolve();
      });
      request.on("error", reject).end();
    });
  }

  async function openStreams(): Promise<number> {
    let open = 0;
    for (const url of [core, ml]) {
      const response = await fetch(`${url}/-/metrics`, { headers: { authorization: `Bearer ${organism.token()}` } });
      const text = await response.text();
      const line = /^seedcore_streams_open\{.*\} (\d+)$/m.exec(text);
      expect(line).not.toBeNull();
      open += Number(line?.[1]);
    }
    return open;
  }

  it("that nobody reads hold up nobody", async () => {
    const { hostname, port } = new URL(gateway);
    const lazy = connect({ host: hostname, port: Number(port) });
    lazy.write(`GET /ml/sources/busy/live HTTP/1.1\r\n${authorised()}\r\n`);
    lazy.pause();
    const points = Array.from({ length: 20_000 }, (_, i) => [i + 1, i % 100]);
    const { body } = await ask("/ml/sources/busy/points", { body: { series: [{ name: "a", points }] } });
    expect(body).toMatchObject({ accepted: 20_000 });
    lazy.destroy();
  });
});

describe("after all of this", () => {
  it("no host has been lost, and no request was a defect", async () => {
    const { hosts } = await platform();
    expect(hosts.flatMap(({ replicas }) => replicas.map(({ restarts }) => restarts))).toEqual([0, 0, 0]);
    for (const host of ["core", "gateway", "ml"]) {
      const log = readFileSync(join(organism.directory, "data", "logs", `${host}.log`), "utf8");
      expect(log.split("\n").filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
    }
  });
});
