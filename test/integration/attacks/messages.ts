import { FieldWriter } from '../../../src/lib/wire.js';

/** Remote reads as bytes, not yet packed: what a reader of protobuf must decide, and readers decide differently. */

interface Message {
  readonly title: string;
  readonly message: Buffer;
}

type Write = (writer: FieldWriter) => void;

const START_MS = Date.now() - 3_600_000;
const END_MS = Date.now();

function request(...parts: readonly Write[]): Buffer {
  const writer = new FieldWriter();
  for (const part of parts) part(writer);
  return writer.finish();
}

const query = (...parts: readonly Write[]): Write => (writer) => {
  writer.nested(1, () => {
    writer.int(1, START_MS);
    writer.int(2, END_MS);
    for (const part of parts) part(writer);
  });
};

const OPS = ['=', '!=', '=~', '!~'];
const matcher = (name: string, op: string, value: string): Write => (writer) => {
  writer.nested(3, () => {
    if (op !== '=') writer.uint(1, OPS.indexOf(op));
    writer.text(2, name);
    writer.text(3, value);
  });
};
const raw = (...bytes: readonly number[]): Write => (writer) => {
  const content = Buffer.from(bytes);
  writer.slice(15, content, 0, content.length);
};
/** Bytes in place of a field. */
const bare = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

const all = matcher('__name__', '=~', '.+');
const types = (...numbers: readonly number[]): Write => (writer) => {
  for (const number of numbers) writer.uint(2, number);
};
const secret = matcher('__name__', '=', 'secret');

const MATCHERS: readonly (readonly [string, string, string])[] = [
  ['__name__', '=', 'secret'], ['__name__', '=~', '.*'], ['__name__', '!=', ''], ['__name__', '=', ''], ['__name__', '!~', 'x'], ['ns', '=', 'b'], ['ns', '!=', 'a'], ['ns', '=~', 'b|'], ['ns', '=', ''], ['ns', '=~', '.*'], ['ns', '=~', ''], ['ns', '!~', ''], ['ns', '=~', '(?i)B'], ['ns', '=~', '('], ['ns', '=', 'a'], ['ns', '!~', 'a'], ['cluster', '=', 'eu'], ['cluster', '=', ''], ['', '=', ''], ['ns\0', '=', 'a'], ['to\u0301ken', '=', ''], ['token', '!=', ''], ['__tenant__', '=', 'b'], ['__name__', '=~', '\\Qsecret'], ['ns', '=~', 'a\\Eb|b'],
];

const append = (...buffers: readonly Buffer[]): Buffer => Buffer.concat(buffers);

export const MESSAGES: readonly Message[] = [
  ...MATCHERS.map((parts) => ({ title: `{${JSON.stringify(parts)}}`, message: request(query(matcher(...parts))) })),
  ...MATCHERS.map((parts) => ({ title: `{__name__=~".+",${JSON.stringify(parts)}} as chunks`, message: request(query(all, matcher(...parts)), types(1)) })),
  { title: 'no queries', message: request() },
  { title: 'no matchers', message: request(query()) },
  { title: 'the own label twice', message: request(query(matcher('ns', '=', 'a'), matcher('ns', '=', 'b'))) },
  { title: 'an own query and another', message: request(query(matcher('__name__', '=', 'x')), query(secret)) },
  { title: 'another and an own query', message: request(query(secret), query(matcher('__name__', '=', 'x'))) },
  { title: 'thirty queries', message: request(...Array.from({ length: 30 }, () => query(secret))) },
  { title: 'three hundred queries', message: request(...Array.from({ length: 300 }, () => query(all))) },
  { title: 'an operator that nobody knows', message: append(bare('0a 13 1a 11 08 07 12 08 5f5f6e616d655f5f 1a 03 782e78')) },
  { title: 'a negative operator', message: bare('0a 1c 1a 1a 08 ffffffffffffffffff01 12 08 5f5f6e616d655f5f 1a 02 2e2b') },
  { title: 'an operator twice, the last counts', message: bare('0a 13 1a 11 08 00 08 02 12 08 5f5f6e616d655f5f 1a 01 2e') },
  { title: 'a name twice', message: bare('0a 0d 1a 0b 12 02 6e73 12 02 6e73 1a 01 62') },
  { title: 'a value twice', message: bare('0a 0c 1a 0a 12 02 6e73 1a 01 61 1a 01 62') },
  { title: 'a name of the wrong wire type', message: bare('0a 06 1a 04 10 01 1a 00') },
  { title: 'a query of the wrong wire type', message: bare('08 01') },
  { title: 'a matcher that is longer than its query', message: bare('0a 04 1a 7f 12 00') },
  { title: 'a query that is longer than its message', message: bare('0a 7f 1a 00') },
  { title: 'a group', message: bare('0b 0c') },
  { title: 'a tag of zero', message: bare('00 00') },
  { title: 'an overlong tag', message: bare('8a 80 80 80 00 06 1a 04 12 02 6e73') },
  { title: 'an overlong length', message: bare('0a 88 80 80 80 80 80 80 80 80 01 1a 04 12 02 6e73') },
  { title: 'a name that is no UTF-8', message: bare('0a 09 1a 07 12 02 fffe 1a 01 61') },
  { title: 'an overlong name', message: bare('0a 0b 1a 09 12 04 6ec1b3 00 1a 01 61') },
  { title: 'unknown fields', message: request(query(secret, raw(1, 2, 3)), raw(9)) },
  { title: 'hints that name another', message: append(bare('0a 1a 1a 0c 12 08 5f5f6e616d655f5f 1a 00 22 0a 0a 03 737567 32 03 6e7362')) },
  { title: 'types that nobody knows', message: request(query(secret), types(7, 8)) },
  { title: 'all types', message: request(query(all), types(1, 0, 1, 7)) },
  { title: 'packed types', message: append(request(query(all)), bare('12 02 01 00')) },
  { title: 'types without end', message: append(request(query(all)), bare('12 05 ff ff ff ff ff')) },
  { title: 'garbage', message: Buffer.from('query=secret') },
  { title: 'times that end before they begin', message: bare('0a 20 08 64 10 01 1a 1a 12 08 5f5f6e616d655f5f 1a 0e 736563726574 0000000000000000') },
];
