import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { createSendQueue } from "#runtime/ray/client/send-queue.ts";
import type { Wire } from "#runtime/ray/client/wire.ts";
import {
  type DataRequest,
  type DataResponse,
  DataResponseSchema,
  RayletDataStreamer,
  RayletDriver,
} from "#runtime/ray/protocol/ray-client_pb.js";

type Answer = NonNullable<MessageInitShape<typeof DataResponseSchema>["type"]>;

/** One stream that a client opened. */
export interface FakeStream {
  readonly clientId: string;
  readonly headers: Headers;
  /** Everything that came, in order. */
  readonly received: readonly DataRequest[];
  answer(reqId: number, type: Answer): void;
  /** Breaks the stream, as the death of Ray's server process does. */
  lose(): void;
  readonly ended: boolean;
}

/** A Ray client server in memory: its wire, and what clients did there. */
export interface FakeRay {
  readonly openWire: () => Promise<Wire>;
  readonly streams: readonly FakeStream[];
  /** Ids of the tasks that were cancelled, in order. */
  readonly cancelled: readonly Uint8Array[];
}

export interface FakeRayOptions {
  /** Answers a request at once; undefined leaves it to the test. Default: opens every session and says nothing else. */
  readonly onRequest?: (request: DataRequest, stream: FakeStream) => Answer | undefined;
  /** Thrown for whatever a driver call asks. Default: it answers. */
  readonly driverError?: () => ConnectError | undefined;
}

/** What a healthy server says to a client that opens and closes. */
export function openingAnswer({ type }: DataRequest, rayVersion = "2.60.0"): Answer | undefined {
  if (type.case === "init") return { case: "init", value: { ok: true } };
  if (type.case === "connectionInfo") {
    return { case: "connectionInfo", value: { rayVersion, pythonVersion: "3.11.7" } };
  }
  if (type.case === "connectionCleanup") return { case: "connectionCleanup", value: {} };
  return undefined;
}

export function createFakeRay(options: FakeRayOptions = {}): FakeRay {
  const { onRequest = (request) => openingAnswer(request), driverError = () => undefined } = options;
  const streams: FakeStream[] = [];
  const cancelled: Uint8Array[] = [];

  const transport = createRouterTransport(({ service }) => {
    service(RayletDriver, {
      kVExists() {
        const error = driverError();
        if (error !== undefined) throw error;
        return { exists: false };
      },
      terminate({ terminateType }) {
        if (terminateType.case === "taskObject") cancelled.push(terminateType.value.id);
        return { ok: true };
      },
    });
    service(RayletDataStreamer, {
      async *datapath(requests, context) {
        const answers = createSendQueue<DataResponse | ConnectError>();
        const received: DataRequest[] = [];
        const state = { ended: false };
        const stream: FakeStream = {
          clientId: context.requestHeader.get("client_id") ?? "",
          headers: context.requestHeader,
          received,
          answer: (reqId, type) => void answers.push([create(DataResponseSchema, { reqId, type })], () => {}),
          lose: () => void answers.push([new ConnectError("Stream removed", Code.Unavailable)], () => {}),
          get ended() {
            return state.ended;
          },
        };
        streams.push(stream);
        const read = async () => {
          for await (const request of requests) {
            received.push(request);
            const answer = onRequest(request, stream);
            if (answer !== undefined) stream.answer(request.reqId, answer);
          }
          answers.end();
        };
        read().catch(() => answers.end());
        try {
          for await (const answer of answers) {
            if (answer instanceof ConnectError) throw answer;
            yield answer;
          }
        } finally {
          state.ended = true;
        }
      },
    });
  });

  return { openWire: async () => ({ transport, close() {} }), streams, cancelled };
}
