import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { eventually } from './eventually.js';
import { startExporter, TEXT_FORMAT, textAnswer } from './exporter.js';
import type { Exporter } from './exporter.js';
import { fetchRaw, openRequest } from './http.js';

describe('the test exporter', () => {
  let exporter: Exporter;
  let url: string;

  beforeEach(async () => {
    exporter = await startExporter();
    url = `http://127.0.0.1:${exporter.port}/metrics`;
  });
  afterEach(() => exporter.close());

  it('answers exactly the bytes and headers it was told to', async () => {
    const body = gzipSync('up 1\n');
    exporter.behave({ kind: 'answer', headers: { 'content-type': TEXT_FORMAT, 'content-encoding': 'gzip' }, body });
    const answer = await fetchRaw({ url, headers: { 'x-own': '1' } });
    expect(answer.body.equals(body)).toBe(true);
    expect(answer.headers).toMatchObject({ 'content-type': TEXT_FORMAT, 'content-encoding': 'gzip', 'content-length': String(body.length) });
    expect(exporter.requests).toMatchObject([{ method: 'GET', url: '/metrics', headers: { 'x-own': '1' }, outcome: 'complete' }]);
  });

  it('chunks, and sends trailers', async () => {
    exporter.behave({ kind: 'answer', headers: { trailer: 'x-end' }, body: Buffer.from('up 1\n'), chunked: true, trailers: { 'x-end': 'yes' } });
    const { headers, trailers } = await fetchRaw({ url });
    expect([headers['transfer-encoding'], headers['content-length'], trailers]).toEqual(['chunked', undefined, { 'x-end': 'yes' }]);
  });

  it('behaves by path', async () => {
    exporter.behave({ kind: 'answer', status: 404, body: Buffer.from('none\n') }, '/other');
    expect((await fetchRaw({ url: `${url}?a=1` })).status).toBe(200);
    expect((await fetchRaw({ url: new URL('/other?a=1', url).href })).status).toBe(404);
  });

  it.each([
    ['resets', { kind: 'reset' }, /hang up|ECONNRESET/],
    ['sends garbage', { kind: 'garbage', bytes: Buffer.from('220 smtp ready\r\n') }, /Parse Error/],
    ['breaks off', { kind: 'break-off', body: Buffer.alloc(100), afterBytes: 10 }, /aborted|ECONNRESET/],
  ] as const)('%s', async (_name, behaviour, message) => {
    exporter.behave(behaviour);
    await expect(fetchRaw({ url })).rejects.toThrow(message);
  });

  it('sees that the other side went away while it hangs', async () => {
    exporter.behave({ kind: 'hang' });
    const caller = new AbortController();
    const request = fetchRaw({ url, signal: caller.signal });
    await eventually(() => expect(exporter.requests).toHaveLength(1));
    caller.abort();
    await expect(request).rejects.toThrow();
    await eventually(() => expect(exporter.requests[0]?.outcome).toBe('cancelled'));
  });

  it('drips', async () => {
    exporter.behave({ kind: 'drip', body: Buffer.from('abcdef'), pieceBytes: 2, everyMs: 1 });
    expect((await fetchRaw({ url })).body.toString()).toBe('abcdef');
  });

  it('floods no faster than it is read', async () => {
    exporter.behave({ kind: 'flood' });
    const answer = await openRequest({ url });
    let before = -1;
    // nobody reads: what was sent comes to rest
    await eventually(() => {
      const now = exporter.requests[0]?.sentBytes ?? 0;
      const resting = now > 0 && now === before;
      before = now;
      expect(resting).toBe(true);
    }, { intervalMs: 100 });
    expect(before).toBeLessThan(64 * 1024 * 1024);
    answer.destroy();
    await eventually(() => expect(exporter.requests[0]?.outcome).toBe('cancelled'));
  });

  it('floods a given number of bytes', async () => {
    exporter.behave({ kind: 'flood', totalBytes: 1_000_001 });
    expect((await fetchRaw({ url })).body).toHaveLength(1_000_001);
  });

  it('refuses once it is closed', async () => {
    exporter.behave(textAnswer());
    await exporter.close();
    await expect(fetchRaw({ url })).rejects.toThrow('ECONNREFUSED');
  });
});
