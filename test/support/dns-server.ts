import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A name server of the test's own: answers A and SRV questions from a table over UDP, what is too long for it over TCP, or fails as it is
 * told to.
 */
export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly address: string;
  /** Of names that are not in it, "no such name" is said. */
  set(records: Readonly<Record<string, readonly DnsRecord[]>>): void;
  /** From now on SERVFAIL. */
  fail(): void;
  /** Answers over TCP so far. */
  readonly overTcp: () => number;
}

export type DnsRecord = { readonly type: 'A'; readonly address: string } | { readonly type: 'SRV'; readonly host: string; readonly port: number };

const TYPES = { A: 1, SRV: 33 } as const;
/** As RFC 1035 has it for whoever does not say more. */
const MAX_UDP_BYTES = 512;
const NO_ERROR = 0;
const SERVER_FAILED = 2;
const NO_SUCH_NAME = 3;

export async function startDnsServer(): Promise<DnsServer> {
  let records: Readonly<Record<string, readonly DnsRecord[]>> = {};
  let failing = false;
  let overTcp = 0;
  const answerTo = (question: Buffer): Buffer => {
    const { name, type, end } = readQuestion(question);
    const found = (records[name] ?? []).filter((record) => TYPES[record.type] === type);
    const code = failing ? SERVER_FAILED : records[name] === undefined ? NO_SUCH_NAME : NO_ERROR;
    return answer(question.subarray(0, end), code, failing ? [] : found);
  };
  const stream = createServer((connection) => {
    let received = Buffer.alloc(0);
    connection.on('error', () => undefined);
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const whole = answerTo(received.subarray(2, end));
        received = received.subarray(end);
        overTcp += 1;
        connection.write(Buffer.concat([Buffer.from([whole.length >> 8, whole.length & 255]), whole]));
      }
    });
  });
  stream.listen(0, '127.0.0.1');
  await once(stream, 'listening');
  const bound = stream.address();
  const socket = createSocket('udp4');
  socket.on('message', (question, { address, port }) => {
    const whole = answerTo(question);
    socket.send(whole.length <= MAX_UDP_BYTES ? whole : truncated(question.subarray(0, readQuestion(question).end)), port, address);
  });
  socket.bind(typeof bound === 'object' && bound !== null ? bound.port : 0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    overTcp: () => overTcp,
    address: `127.0.0.1:${socket.address().port}`,
    set: (next) => {
      records = next;
      failing = false;
    },
    fail: () => {
      failing = true;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = [once(socket, 'close'), once(stream, 'close')];
      socket.close();
      stream.close();
      await Promise.all(closed);
    },
  };
}

function readQuestion(message: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const parts: string[] = [];
  let at = 12;
  for (let length = message.readUInt8(at); length > 0; length = message.readUInt8(at)) {
    parts.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: parts.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

/** `head`: the question's header and first question. Names in answers point to it or are written out. */
function answer(head: Buffer, code: number, records: readonly DnsRecord[]): Buffer {
  const header = Buffer.from(head);
  header.writeUInt16BE(0x8580 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, ...records.map(encodeRecord)]);
}

/** Nothing but the flag that says so. */
function truncated(head: Buffer): Buffer {
  const whole = answer(head, NO_ERROR, []);
  whole.writeUInt8(whole.readUInt8(2) | 0x02, 2);
  return whole;
}

function encodeRecord(record: DnsRecord): Buffer {
  const data = record.type === 'A' ? Buffer.from(record.address.split('.').map(Number)) : Buffer.concat([Buffer.from([0, 0, 0, 0, record.port >> 8, record.port & 255]), encodeName(record.host)]);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(TYPES[record.type], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function encodeName(name: string): Buffer {
  return Buffer.concat([...name.split('.').flatMap((part) => [Buffer.from([part.length]), Buffer.from(part)]), Buffer.from([0])]);
}
