import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.js';
import { manualClock } from '../../test/support/manual-clock.js';
import type { ManualClock } from '../../test/support/manual-clock.js';
import { labelsOf } from '../../test/support/remote-write-messages.js';
import { silentLogger } from '../lib/logger.js';
import type { ReceiverAnswer } from './judge.js';
import type { Version } from './protocol.js';
import { encodeSeries } from './encode.js';
import { DEFAULT_SENDER_SETTINGS, Sender } from './sender.js';
import type { Outgoing, SenderEvent, SenderSettings } from './sender.js';
import { pack, unpack } from './snappy.js';

/** What a sender does with the answers of its receiver; a real one: test/integration/push-sender.test.ts. */

interface Try {
  readonly version: string | undefined;
  readonly attempt: string | undefined;
  readonly names: string;
}

const OK: ReceiverAnswer = { status: 204, headers: { 'x-prometheus-remote-write-samples-written': '1' }, text: '' };
const SETTINGS: SenderSettings = { ...DEFAULT_SENDER_SETTINGS, minBackoffMs: 100, maxBackoffMs: 400 };

let clock: ManualClock;
let tries: Try[];
let events: SenderEvent[];
/** The receiver's next answers; then it is content. `undefined`: no answer. */
let answers: (ReceiverAnswer | undefined)[];
let sender: Sender;

function start(version: Version = '1', settings: Partial<SenderSettings> = {}): void {
  sender = new Sender({
    version,
    settings: { ...SETTINGS, ...settings },
    clock,
    wallMs: () => 1_000_000,
    logger: silentLogger,
    onEvent: (event) => events.push(event),
    transport: async (headers, body) => {
      const unpacked = await unpack(body, 1_000_000);
      const written = headers['x-prometheus-remote-write-version'];
      const labels = unpacked.ok ? labelsOf(written === '2.0.0' ? 2 : 1, unpacked.value) : [];
      tries.push({ version: written, attempt: headers['retry-attempt'], names: labels.map(([first = '']) => first.replace('__name__=', '')).join('') });
      const answer = answers.length > 0 ? answers.shift() : OK;
      if (answer === undefined) throw new Error('connection refused');
      return answer;
    },
  });
}

beforeEach(() => {
  clock = manualClock();
  tries = [];
  events = [];
  answers = [];
});
afterEach(() => sender.close());

function status(code: number, headers: Readonly<Record<string, string>> = {}): ReceiverAnswer {
  return { status: code, headers, text: '' };
}

function batch(names: string, over: Partial<Outgoing> = {}): Outgoing {
  const series = [...names].map((name) => ({ labels: [{ name: '__name__', value: name }], samples: [{ value: 1, timestampMs: 999_999 }], histograms: [], exemplars: [] }));
  return { samples: names.length, newestMs: 999_999, mayBeKnown: false, body: (version) => pack(encodeSeries(version, series)), ...over };
}

/** One after the other. */
async function deliver(...batches: readonly Outgoing[]): Promise<void> {
  for (const each of batches) await sender.deliver(each);
}

function sent(): readonly string[] {
  return tries.map(({ names }) => names);
}

const arrived = (...names: readonly string[]): Promise<void> => eventually(() => expect(sent()).toEqual(names));
const waits = (): readonly number[] => events.flatMap((event) => (event.kind === 'retry' ? [event.waitMs] : []));

describe('a sender', () => {
  it.each(['1', '2'] as const)('sends a batch in the version that it has (%s)', async (version) => {
    start(version);
    await deliver(batch('ab'), batch('c'));
    expect(sent()).toEqual(['ab', 'c']);
    expect(events).toMatchObject([{ kind: 'delivered', samples: 2, version }, { kind: 'delivered', samples: 1 }]);
  });

  it('drops what is too old instead of sending it', async () => {
    start('1', { sampleAgeLimitMs: 1000 });
    await deliver(batch('a', { newestMs: 998_999 }), batch('b', { newestMs: 999_000 }));
    expect(sent()).toEqual(['b']);
    expect(events[0]).toEqual({ kind: 'too_old', samples: 1 });
  });

  it('rejects what cannot be read', async () => {
    start();
    await expect(sender.deliver(batch('a', { body: () => Promise.resolve(undefined) }))).rejects.toThrow('cannot be read');
  });

  it('that is closed sends nothing more, and keeps nobody waiting', async () => {
    answers = [undefined];
    start();
    const delivered = deliver(batch('ab'));
    await eventually(() => expect(waits()).toEqual([100]));
    sender.close();
    await delivered;
    clock.advance(10_000);
    expect(sent()).toEqual(['ab']);
  });
});

describe('a batch that is not taken', () => {
  it('is tried again after longer and longer waits, and keeps its place', async () => {
    answers = [status(500), undefined, status(503), status(500)];
    start();
    void deliver(batch('ab'), batch('cd'));
    for (const [index, wait] of [100, 200, 400, 400].entries()) {
      await eventually(() => expect(waits()).toHaveLength(index + 1));
      clock.advance(wait - 1);
      expect(tries).toHaveLength(index + 1);
      clock.advance(1);
    }
    await arrived('ab', 'ab', 'ab', 'ab', 'ab', 'cd');
    expect(tries.map(({ attempt }) => attempt)).toEqual([undefined, '1', '2', '3', '4', undefined]);
    expect(waits()).toEqual([100, 200, 400, 400]);
  });

  it('waits as long as the receiver says', async () => {
    answers = [status(429, { 'retry-after': '7' })];
    start();
    void deliver(batch('ab'));
    await eventually(() => expect(waits()).toEqual([7000]));
    clock.advance(6999);
    expect(sent()).toEqual(['ab']);
    clock.advance(1);
    await arrived('ab', 'ab');
  });

  it.each([400, 401, 404, 413])('is dropped on %d, and the next one goes', async (code) => {
    answers = [status(code)];
    start();
    await deliver(batch('ab'), batch('cd'));
    await arrived('ab', 'cd');
    await eventually(() => expect(events).toMatchObject([{ kind: 'dropped', samples: 2, status: code }, { kind: 'delivered' }]));
  });
});

describe('a receiver that does not speak 2.0', () => {
  const versions = (): readonly (string | undefined)[] => tries.map(({ version }) => version);

  it.each([
    ['415', status(415)],
    ['2xx without counts', status(204)],
    ['400, and takes 1.0', status(400)],
  ])('gets the same batch in 1.0, and all that follow: %s', async (_, answer) => {
    answers = [answer, status(204), status(204)];
    start('2');
    await deliver(batch('ab'), batch('cd'));
    await arrived('ab', 'ab', 'cd');
    expect(versions()).toEqual(['2.0.0', '0.1.0', '0.1.0']);
    await eventually(() => expect(events.map(({ kind }) => kind)).toEqual(['fell_back', 'delivered', 'delivered']));
  });

  it('is not what one is that refuses the data in both', async () => {
    answers = [status(400), status(400)];
    start('2');
    await deliver(batch('ab'), batch('cd'));
    await arrived('ab', 'ab', 'cd');
    expect(versions()).toEqual(['2.0.0', '0.1.0', '2.0.0']);
    await eventually(() => expect(events.map(({ kind }) => kind)).toEqual(['dropped', 'delivered']));
  });

  it('is not what one is that has spoken it before', async () => {
    answers = [OK, status(400)];
    start('2');
    await deliver(batch('ab'), batch('cd'));
    await arrived('ab', 'cd');
    await eventually(() => expect(events.map(({ kind }) => kind)).toEqual(['delivered', 'dropped']));
  });
});

describe('a batch of which the receiver may have a part', () => {
  /** Refuses each request with one of these in it, as a receiver of 1.0 does with samples that it has. */
  function refuses(known: string): void {
    answers = [];
    sender = new Sender({
      version: '1', settings: SETTINGS, clock, wallMs: () => 1_000_000, logger: silentLogger, onEvent: (event) => events.push(event),
      transport: async (_, body) => {
        const unpacked = await unpack(body, 1_000_000);
        const names = labelsOf(1, unpacked.ok ? unpacked.value : Buffer.alloc(0)).map(([first = '']) => first.replace('__name__=', '')).join('');
        tries.push({ version: undefined, attempt: undefined, names });
        return [...names].some((name) => known.includes(name)) ? status(400) : OK;
      },
    });
  }
  const halves = (names: string): readonly Outgoing[] => [names.slice(0, Math.ceil(names.length / 2)), names.slice(Math.ceil(names.length / 2))].filter((half) => half !== '').map(doubtful);
  const doubtful = (names: string): Outgoing => batch(names, { mayBeKnown: true, ...(names.length > 1 && { divide: () => Promise.resolve(halves(names)) }) });

  it('is divided until only that part is refused', async () => {
    refuses('bc');
    await deliver(doubtful('abcdef'));
    expect(sent()).toEqual(['abcdef', 'abc', 'ab', 'a', 'b', 'c', 'def']);
    expect(events.map((event) => (event.kind === 'delivered' || event.kind === 'known' ? `${event.kind} ${event.samples}` : event.kind))).toEqual(['delivered 1', 'known 1', 'known 1', 'delivered 3']);
  });

  it('is not divided where a receiver of 2.0 has taken the rest by itself', async () => {
    answers = [{ ...OK, status: 400, headers: { 'x-prometheus-remote-write-samples-written': '4' } }];
    start('2');
    await deliver(doubtful('abcdef'));
    expect(events).toMatchObject([{ kind: 'delivered', samples: 4 }, { kind: 'known', samples: 2 }]);
  });
});
