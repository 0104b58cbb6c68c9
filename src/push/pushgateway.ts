import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { errnoOf } from '../lib/errno.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Reason } from '../model/reasons.js';
import { done, refusal } from './answer.js';
import type { Answer } from './answer.js';
import { readBody } from './body.js';
import { backendFailure, headerOf, rejection, retryAfter } from './exchange.js';
import type { Exchange } from './exchange.js';
import { readGroupingKey, withTenant, writeGroupingKey } from './grouping-key.js';
import { metricFamiliesFault } from './metric-families.js';
import { maxUnpackedBytes } from './options.js';

/**
 * Pushgateway's protocol: PUT, POST and DELETE of one group, which is the tenant's because the tenant label is in its key. The real
 * Pushgateway overwrites labels of the body with those of the key, so the key is all that must be right. Its other paths (admin API,
 * `/metrics`, status) have no way through this door.
 */
export async function pushgateway(exchange: Exchange): Promise<Answer> {
  const { request, segments, backend, signal, tenant, logger, count } = exchange;
  const { target } = backend;
  const [first, ...rest] = segments;
  if (first !== 'metrics') return refusal('target_forbidden');
  const { method } = request;
  if (method !== 'PUT' && method !== 'POST' && method !== 'DELETE') return refusal('push_method', 'groups are put, posted and deleted', { allow: 'PUT, POST, DELETE' });
  const asked = readGroupingKey(rest);
  if (!asked.ok) return refusal('push_malformed', asked.error);
  const key = withTenant(asked.value, target.tenantLabel, tenant);
  if (!key.ok) return refusal('push_refused', key.error);
  const body = await readMetrics(exchange);
  if (!body.ok) return refusal(body.error.reason, body.error.detail);
  count('bytes', body.value.bytes.length);

  const path = `/metrics/${writeGroupingKey(key.value)}`;
  const userAgent = { 'user-agent': headerOf(request, 'user-agent') ?? 'scrapeway' };
  const sent = await backend.send(
    method === 'DELETE'
      ? { method, path, headers: userAgent, body: undefined, signal }
      : { method, path, headers: { ...userAgent, 'content-type': body.value.contentType }, body: body.value.bytes, signal },
  );
  if (!sent.ok) return refusal(sent.error.reason, sent.error.detail);
  const answer = sent.value;
  if (answer.status >= 200 && answer.status < 300) return done(answer.status);
  logger.warn({ status: answer.status, text: answer.text.slice(0, 1000) }, 'the Pushgateway did not take a push');
  return backendFailure(answer) ?? rejection(answer.status, shownText(answer.text), retryAfter(answer.headers));
}

interface Metrics {
  readonly bytes: Buffer;
  readonly contentType: string;
}

interface Fault {
  readonly reason: Reason;
  readonly detail: string;
}

const PROTOBUF = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';
const TEXT = 'text/plain; version=0.0.4';
const unzip = promisify(gunzip);

/** The body, unpacked here so that what reaches the Pushgateway is bounded, and with one of two content types and no other. */
async function readMetrics({ request, backend, pass, signal }: Exchange): Promise<Result<Metrics, Fault>> {
  const read = await readBody(request, backend.target.maxBodyBytes, pass, signal);
  if (!read.ok) return err({ reason: read.error, detail: '' });
  const unpacked = await unpackBody(read.value, headerOf(request, 'content-encoding') ?? 'identity', maxUnpackedBytes(backend.target));
  if (!unpacked.ok) return unpacked;
  const bytes = unpacked.value;
  if (!pass.hold(bytes.length)) return err({ reason: 'push_busy', detail: '' });
  if (!isProtobuf(headerOf(request, 'content-type') ?? '')) return ok({ bytes, contentType: TEXT });
  const fault = metricFamiliesFault(bytes);
  return fault === undefined ? ok({ bytes, contentType: PROTOBUF }) : err({ reason: 'push_malformed', detail: fault });
}

async function unpackBody(bytes: Buffer, encoding: string, maxOutputLength: number): Promise<Result<Buffer, Fault>> {
  switch (encoding.trim().toLowerCase()) {
    case 'identity':
      return ok(bytes);
    case 'gzip':
      try {
        return ok(await unzip(bytes, { maxOutputLength }));
      } catch (error) {
        const tooLarge = errnoOf(error) === 'ERR_BUFFER_TOO_LARGE';
        return err({ reason: tooLarge ? 'push_too_large' : 'push_malformed', detail: tooLarge ? `more than ${maxOutputLength} bytes unpacked` : 'not gzip' });
      }
    default:
      return err({ reason: 'push_unsupported', detail: 'the content encoding must be gzip, or none' });
  }
}

/** A Pushgateway takes everything else for text. */
function isProtobuf(contentType: string): boolean {
  return /^application\/vnd\.google\.protobuf\s*(;|$)/i.test(contentType.trim());
}

/** A complaint about the body is the sender's; one about consistency quotes metrics and helps that may be another tenant's. */
function shownText(text: string): string {
  return text.startsWith('text format parsing error') ? text : 'invalid, with timestamps, or inconsistent in type or help with metrics that are there';
}
