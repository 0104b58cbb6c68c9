import { request } from 'undici';
import type { Dispatcher } from 'undici';
import type { ReceiverAnswer } from './judge.js';
import { PROTOCOL_HEADER_NAMES } from './protocol.js';

/** How a request gets to a receiver. Rejects where there was no answer: that is tried again. */
export type Transport = (headers: Readonly<Record<string, string>>, body: Buffer, signal: AbortSignal) => Promise<ReceiverAnswer>;

export interface HttpTransportOptions {
  readonly url: string;
  readonly userAgent: string;
  /** For each request anew: credentials may change. Those of the protocol cannot be set. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Connections: TLS, client certificate, proxy. */
  readonly dispatcher: Dispatcher;
}

const MAX_TEXT_BYTES = 4096;

export function httpTransport({ url, userAgent, headers: ownHeaders, dispatcher }: HttpTransportOptions): Transport {
  return async (protocolHeaders, body, signal) => {
    const own = Object.entries(await ownHeaders()).filter(([name]) => !PROTOCOL_HEADER_NAMES.has(name.toLowerCase()));
    const headers = { ...Object.fromEntries(own), ...protocolHeaders, 'user-agent': userAgent };
    const answer = await request(url, { method: 'POST', headers, body, signal, dispatcher });
    let text = '';
    const parts: AsyncIterable<Buffer> = answer.body;
    for await (const chunk of parts) {
      text += chunk.toString('utf8');
      if (text.length > MAX_TEXT_BYTES) break;
    }
    return { status: answer.statusCode, headers: answer.headers, text: text.slice(0, MAX_TEXT_BYTES) };
  };
}
