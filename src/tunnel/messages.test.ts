import { describe, expect, it } from '@jest/globals';
import { createLineDecoder, encodeMessage, readAgentLine, readHubLine } from './messages.js';

describe('the line decoder', () => {
  it('joins lines that arrive in pieces and splits what arrives together', () => {
    const decoder = createLineDecoder();
    expect(decoder.push(Buffer.from('{"a'))).toEqual({ ok: true, value: [] });
    expect(decoder.push(Buffer.from('":1}\n{}\n{'))).toEqual({ ok: true, value: ['{"a":1}', '{}'] });
    expect(decoder.push(Buffer.from('}\n'))).toEqual({ ok: true, value: ['{}'] });
  });

  it('keeps a character whole that is cut between two pieces', () => {
    const decoder = createLineDecoder();
    const bytes = Buffer.from('"ü"\n');
    decoder.push(bytes.subarray(0, 2));
    expect(decoder.push(bytes.subarray(2))).toEqual({ ok: true, value: ['"ü"'] });
  });

  it('does not depend on the buffer it was given after push has returned', () => {
    const decoder = createLineDecoder();
    const shared = Buffer.from('abc');
    decoder.push(shared);
    shared.fill(0x7a);
    expect(decoder.push(Buffer.from('\n'))).toEqual({ ok: true, value: ['abc'] });
  });

  it.each([['in one piece', ['12345\n']], ['without an end', ['123', '45']], ['in pieces', ['123', '45\n']]])('refuses a line over the limit %s', (_, pieces) => {
    const decoder = createLineDecoder(4);
    expect(pieces.map((piece) => decoder.push(Buffer.from(piece)).ok)).toContain(false);
  });
});

function line(bytes: Buffer): string {
  return bytes.toString('utf8').trimEnd();
}

describe('messages', () => {
  it('read back what was encoded', () => {
    expect(readAgentLine(line(encodeMessage({ type: 'targets', revision: 3, targets: [] })))).toEqual({ ok: true, value: { type: 'targets', revision: 3, targets: [] } });
    expect(readAgentLine(line(encodeMessage({ type: 'draining' })))).toEqual({ ok: true, value: { type: 'draining' } });
    const registered = { type: 'registered', revision: 3, accepted: 1, faults: [{ place: 'p', message: 'm' }] } as const;
    expect(readHubLine(line(encodeMessage(registered)))).toEqual({ ok: true, value: registered });
  });

  it('skips a type that a newer peer may know', () => {
    expect(readAgentLine('{"type":"later"}')).toEqual({ ok: true, value: { type: 'unknown' } });
    expect(readHubLine('{"type":"later"}')).toEqual({ ok: true, value: { type: 'unknown' } });
  });

  it.each(['', 'x', '[]', 'null', '"targets"', '{"type":"targets"}', '{"type":"targets","revision":-1}', '{"type":"targets","revision":1.5}'])('refuses the line %j', (text) => {
    expect(readAgentLine(text).ok).toBe(false);
  });
});
