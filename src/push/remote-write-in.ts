import { pack, unpack, unpackedLength } from '../remotewrite/snappy.js';
import { protocolHeaders, versionOf, WRITTEN_HEADERS } from '../remotewrite/protocol.js';
import { done, refusal } from './answer.js';
import type { Answer } from './answer.js';
import type { BackendAnswer } from './backend.js';
import { readBody } from './body.js';
import type { Enforced } from './enforced.js';
import { enforceVersion1 } from './enforce-version1.js';
import { enforceVersion2 } from './enforce-version2.js';
import { backendFailure, headerOf, rejection, retryAfter } from './exchange.js';
import type { Exchange } from './exchange.js';
import { maxUnpackedBytes } from './options.js';
import { tenantLabel } from './tenant-label.js';

/**
 * Remote write in: unpack, enforce, pack, forward. Series that may not be written are taken out; the others are written, and the sender is told by a
 * 400 (the specification's partial write: one job with a wrong label must not cost a whole agent its data).
 */
export async function remoteWriteIn(exchange: Exchange): Promise<Answer> {
  const { request, segments, backend, pass, signal, tenant, count } = exchange;
  const { target } = backend;
  if (segments.join('/') !== 'api/v1/write') return refusal('target_forbidden');
  if (request.method !== 'POST') return refusal('push_method', 'remote write is POST', { allow: 'POST' });
  const version = versionOf(headerOf(request, 'content-type'), headerOf(request, 'content-encoding'));
  if (!version.ok) return refusal('push_unsupported', version.error);

  const packed = await readBody(request, target.maxBodyBytes, pass, signal);
  if (!packed.ok) return refusal(packed.error);
  count('bytes', packed.value.length);
  const maxBytes = maxUnpackedBytes(target);
  // unpacked, enforced and packed again: about three times its size at most
  if (!pass.hold(Math.min(unpackedLength(packed.value) ?? 0, maxBytes) * 3)) return refusal('push_busy');
  const unpacked = await unpack(packed.value, maxBytes);
  if (!unpacked.ok) return unpacked.error === 'too_large' ? refusal('push_too_large', `more than ${maxBytes} bytes unpacked`) : refusal('push_malformed', 'not a snappy block');

  const label = tenantLabel(target.tenantLabel, tenant, target.onConflict);
  const enforced = version.value === '1' ? enforceVersion1(unpacked.value, label) : enforceVersion2(unpacked.value, label);
  if (!enforced.ok) return refusal('push_malformed', enforced.error);
  const { body, series, metadata, refused } = enforced.value;
  count('refused_series', refused);
  if (refused > 0 && series + metadata === 0) return refusal('push_refused', why(enforced.value));
  return forward(exchange, enforced.value, await pack(body), protocolHeaders(version.value));
}

async function forward(exchange: Exchange, enforced: Enforced, body: Buffer, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const { request, backend, signal, logger, count } = exchange;
  const attempt = headerOf(request, 'retry-attempt');
  const sent = await backend.send({
    method: 'POST',
    path: '',
    headers: { ...headers, 'user-agent': headerOf(request, 'user-agent') ?? 'scrapeway', ...(attempt !== undefined && { 'retry-attempt': attempt }) },
    body,
    signal,
  });
  if (!sent.ok) return refusal(sent.error.reason, sent.error.detail);
  const answer = sent.value;
  if (answer.status >= 200 && answer.status < 300) {
    count('series', enforced.series);
    count('samples', enforced.samples);
    count('histograms', enforced.histograms);
    return enforced.refused === 0 ? done(answer.status, written(answer)) : refusal('push_refused', why(enforced), written(answer));
  }
  logger.warn({ status: answer.status, text: answer.text.slice(0, 1000) }, 'the remote write backend did not take a push');
  return backendFailure(answer) ?? rejection(answer.status, answer.text, { ...written(answer), ...retryAfter(answer.headers) });
}

/** What the backend says that it has written (2.0): without it, a sender must think that nothing was. */
function written({ headers }: BackendAnswer): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.values(WRITTEN_HEADERS).flatMap((name) => {
      const value = headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

function why({ refused, series, why: first = '' }: Enforced): string {
  return `${refused} of ${refused + series} series; the first has ${first}`;
}
