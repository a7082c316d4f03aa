/** Large payloads travel in pieces of Ray's own size; the last one may be smaller. */
export const CHUNK_BYTES = 5 * 1024 * 1024;

/** One piece of a payload, with the numbers that Ray's messages carry beside it. */
export interface Chunk {
  readonly data: Uint8Array;
  readonly chunkId: number;
  readonly totalChunks: number;
}

/** Cuts a payload, without copying. @throws RangeError for an empty one, which Ray would wait on for ever. */
export function* toChunks(payload: Uint8Array, chunkBytes: number = CHUNK_BYTES): Generator<Chunk> {
  if (payload.length === 0) throw new RangeError("An empty payload cannot be sent: a pickle has at least two bytes.");
  const totalChunks = Math.ceil(payload.length / chunkBytes);
  for (let chunkId = 0; chunkId < totalChunks; chunkId++) {
    const start = chunkId * chunkBytes;
    yield { data: payload.subarray(start, start + chunkBytes), chunkId, totalChunks };
  }
}

/** Puts a payload together. */
export interface ChunkJoiner {
  /**
   * The whole payload with its last chunk, else undefined.
   * @throws Error when a chunk is not the next one, or the sizes do not add up: bytes were lost.
   */
  add(chunk: Chunk & { readonly totalSize: bigint }): Uint8Array | undefined;
}

export function createChunkJoiner(): ChunkJoiner {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  return {
    add({ data, chunkId, totalChunks, totalSize }) {
      if (chunkId !== parts.length || chunkId >= totalChunks) {
        throw new Error(`Expected chunk ${parts.length} of ${totalChunks}, got chunk ${chunkId}.`);
      }
      parts.push(data);
      sizeBytes += data.length;
      if (parts.length < totalChunks) return undefined;
      if (BigInt(sizeBytes) !== totalSize) throw new Error(`Expected ${totalSize} bytes, got ${sizeBytes}.`);
      return parts.length === 1 ? data : Buffer.concat(parts, sizeBytes);
    },
  };
}
