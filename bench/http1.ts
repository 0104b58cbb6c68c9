/**
 * Answers of an HTTP/1.1 server on one connection, cut out of the bytes as they come. Just what the load generator needs to be cheap:
 * a status, a body, and nothing in between.
 */

export interface Http1Response {
  readonly status: number;
  /** Head as it came, without the empty line. */
  readonly head: string;
  /** May be a view of what was pushed. */
  readonly body: Buffer;
}

export class ResponseReader {
  #pending: Buffer[] = [];
  #bytes = 0;
  /** Of the answer that has begun: below this, it is not complete. A large body is put together once, and not with each chunk. */
  #needed = 0;

  /** The answers that are complete now. Throws on what is no HTTP/1.1 response with a length. */
  push(chunk: Buffer): readonly Http1Response[] {
    this.#pending.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return [];
    let rest = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending, this.#bytes);
    const complete: Http1Response[] = [];
    let cut = readResponse(rest);
    for (; cut.response !== undefined; cut = readResponse(rest)) {
      complete.push(cut.response);
      rest = rest.subarray(cut.end);
    }
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    this.#needed = cut.end;
    return complete;
  }
}

interface Cut {
  /** Where the answer ends; where it is not known yet, or not reached, how far the bytes must reach at least. */
  readonly end: number;
  readonly response: Http1Response | undefined;
}

const UNKNOWN: Cut = { end: 0, response: undefined };

function readResponse(bytes: Buffer): Cut {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return UNKNOWN;
  const head = bytes.toString('latin1', 0, headEnd);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not an HTTP/1.1 response: ${head.slice(0, 100)}`);
  const bodyStart = headEnd + 4;
  if (/^transfer-encoding: *chunked$/im.test(head)) return readChunked(bytes, bodyStart, { status, head });
  const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1]);
  if (Number.isNaN(length)) throw new Error(`a response without a length: ${head.slice(0, 400)}`);
  const end = bodyStart + length;
  return { end, response: bytes.length < end ? undefined : { status, head, body: bytes.subarray(bodyStart, end) } };
}

/** Without extensions and trailers, which nobody here sends. */
function readChunked(bytes: Buffer, from: number, start: Pick<Http1Response, 'status' | 'head'>): Cut {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return UNKNOWN;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    const end = lineEnd + 2 + size + 2;
    if (bytes.length < end) return UNKNOWN;
    if (size === 0) return { end, response: { ...start, body: Buffer.concat(parts) } };
    parts.push(bytes.subarray(lineEnd + 2, end - 2));
    at = end;
  }
}
