import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.js';
import { manualClock } from '../../test/support/manual-clock.js';
import type { ManualClock } from '../../test/support/manual-clock.js';
import { labelsOf } from '../../test/support/remote-write-messages.js';
import { silentLogger } from '../lib/logger.js';
import type { ReceiverAnswer } from './judge.js';
import type { Version } from './protocol.js';
import { createSender, DEFAULT_SENDER_SETTINGS } from './sender.js';
import type { Sender, SenderEvent, SenderSettings } from './sender.js';
import type { Series } from './series.js';
import { unpack } from './snappy.js';

/** What a sender does with the answers of its receiver; a real one: test/integration/push-sender.test.ts. */

interface Try {
  readonly version: string | undefined;
  readonly attempt: string | undefined;
  readonly names: string;
}

const OK: ReceiverAnswer = { status: 204, headers: { 'x-prometheus-remote-write-samples-written': '1' }, text: '' };
const SETTINGS: SenderSettings = { ...DEFAULT_SENDER_SETTINGS, maxSamples: 2, capacity: 6, minBackoffMs: 100, maxBackoffMs: 400 };

let clock: ManualClock;
let tries: Try[];
let events: SenderEvent[];
/** The receiver's next answers; then it is content. `undefined`: no answer. */
let answers: (ReceiverAnswer | undefined)[];
let sender: Sender;

function start(version: Version = '1', settings: Partial<SenderSettings> = {}): void {
  sender = createSender({
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

function push(names: string, timestampMs = 999_999): void {
  for (const name of names) {
    const series: Series = { labels: [{ name: '__name__', value: name }], samples: [{ value: 1, timestampMs }], histograms: [], exemplars: [] };
    expect(sender.push(series)).toBe(true);
  }
}

function sent(): readonly string[] {
  return tries.map(({ names }) => names);
}

const arrived = (...names: readonly string[]): Promise<void> => eventually(() => expect(sent()).toEqual(names));
const waits = (): readonly number[] => events.flatMap((event) => (event.kind === 'retry' ? [event.waitMs] : []));

describe('a sender', () => {
  it('sends full batches at once, and the rest at the deadline', async () => {
    start();
    push('abc');
    await arrived('ab');
    await eventually(() => expect(sender.pending()).toBe(1));
    clock.advance(SETTINGS.batchSendDeadlineMs - 1);
    expect(sent()).toEqual(['ab']);
    clock.advance(1);
    await arrived('ab', 'c');
  });

  it('sends the rest when it is asked to', async () => {
    start('2');
    push('abc');
    await sender.flush();
    expect([sent(), sender.pending()]).toEqual([['ab', 'c'], 0]);
    expect(events.map(({ kind }) => kind)).toEqual(['delivered', 'delivered']);
  });

  it('takes no more than its capacity, and tells when there is room', async () => {
    answers = [status(500)];
    start();
    push('ab');
    await arrived('ab');
    push('cdefgh');
    expect(sender.push({ labels: [], samples: [{ value: 1, timestampMs: 1 }], histograms: [], exemplars: [] })).toBe(false);
    const room = sender.room();
    await eventually(() => expect(waits()).toEqual([100]));
    clock.advance(100);
    await room;
    await arrived('ab', 'ab', 'cd', 'ef', 'gh');
  });

  it('drops what is too old instead of sending it', async () => {
    start('1', { sampleAgeLimitMs: 1000 });
    push('a', 998_999);
    push('b', 999_000);
    await sender.flush();
    expect(sent()).toEqual(['b']);
    expect(events[0]).toEqual({ kind: 'too_old', samples: 1 });
  });

  it('that is closed sends nothing more, and keeps nobody waiting', async () => {
    answers = [undefined];
    start();
    push('ab');
    const flushed = sender.flush();
    await eventually(() => expect(waits()).toEqual([100]));
    sender.close();
    await flushed;
    expect(sender.push({ labels: [], samples: [], histograms: [], exemplars: [] })).toBe(false);
    clock.advance(10_000);
    expect(sent()).toEqual(['ab']);
  });
});

describe('a batch that is not taken', () => {
  it('is tried again after longer and longer waits, and keeps its place', async () => {
    answers = [status(500), undefined, status(503), status(500)];
    start();
    push('abcd');
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
    push('ab');
    await eventually(() => expect(waits()).toEqual([7000]));
    clock.advance(6999);
    expect(sent()).toEqual(['ab']);
    clock.advance(1);
    await arrived('ab', 'ab');
  });

  it.each([400, 401, 404, 413])('is dropped on %d, and the next one goes', async (code) => {
    answers = [status(code)];
    start();
    push('abcd');
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
    push('abcd');
    await arrived('ab', 'ab', 'cd');
    expect(versions()).toEqual(['2.0.0', '0.1.0', '0.1.0']);
    await eventually(() => expect(events.map(({ kind }) => kind)).toEqual(['fell_back', 'delivered', 'delivered']));
  });

  it('is not what one is that refuses the data in both', async () => {
    answers = [status(400), status(400)];
    start('2');
    push('abcd');
    await arrived('ab', 'ab', 'cd');
    expect(versions()).toEqual(['2.0.0', '0.1.0', '2.0.0']);
    await eventually(() => expect(events.map(({ kind }) => kind)).toEqual(['dropped', 'delivered']));
  });

  it('is not what one is that has spoken it before', async () => {
    answers = [OK, status(400)];
    start('2');
    push('abcd');
    await arrived('ab', 'cd');
    await eventually(() => expect(events.map(({ kind }) => kind)).toEqual(['delivered', 'dropped']));
  });
});
