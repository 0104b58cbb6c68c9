import { request } from 'undici';
import type { Dispatcher } from 'undici';
import type { ReceiverAnswer } from './judge.js';
import { PROTOCOL_HEADER_NAMES } from './protocol.js';

/** How a request gets to a receiver. Rejects where there was no answer: that is tried again. */
export type Transport = (headers: Readonly<Record<string, string>>, body: Buffer, signal: AbortSignal) => Promise<ReceiverAnswer>;

/** Headers of a request that carries its signature, from the request as it is without. */
export type Sign = (request: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer }) => Promise<Readonly<Record<string, string>>>;

export interface HttpTransportOptions {
  readonly url: string;
  readonly userAgent: string;
  /** For each request anew: credentials may change. Those of the protocol cannot be set. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** 401: were those headers out of date? Then it is tried once more at once, with new ones (RFC 6750 §3.1); else the answer stands. */
  readonly refused?: (() => boolean) | undefined;
  readonly sign?: Sign | undefined;
  /** Connections: TLS, client certificate, proxy. */
  readonly dispatcher: Dispatcher;
}

const MAX_TEXT_BYTES = 4096;

export function httpTransport({ url, userAgent, headers: ownHeaders, refused, sign, dispatcher }: HttpTransportOptions): Transport {
  const post: Transport = async (protocolHeaders, body, signal) => {
    const own = Object.entries(await ownHeaders()).filter(([name]) => !PROTOCOL_HEADER_NAMES.has(name.toLowerCase()));
    const plain = { ...Object.fromEntries(own), ...protocolHeaders, 'user-agent': userAgent };
    const headers = sign === undefined ? plain : await sign({ url, headers: plain, body });
    const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher });
    let text = '';
    const parts: AsyncIterable<Buffer> = answer.body;
    for await (const chunk of parts) {
      text += chunk.toString('utf8');
      if (text.length > MAX_TEXT_BYTES) break;
    }
    return { status: answer.statusCode, headers: answer.headers, text: text.slice(0, MAX_TEXT_BYTES) };
  };
  return async (...given) => {
    const answer = await post(...given);
    return answer.status === 401 && refused?.() === true ? post(...given) : answer;
  };
}
