import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/support/eventually.js';
import { silentLogger } from '../lib/logger.js';
import { KubeError } from './api.js';
import type { KubeApi, KubeAnswer } from './api.js';
import { listWatch } from './list-watch.js';
import type { ListWatch } from './list-watch.js';
import { textAt } from './values.js';

/** What a server says, one answer after another; a watch without lines stays open. */
interface Script {
  readonly lists: (KubeAnswer | Error)[];
  readonly watches: ((readonly unknown[]) | Error)[];
}

const SELECTORS = 'labelSelector=app%3Da&fieldSelector=status.phase%3DRunning';
const open: ListWatch<object>[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

function object(name: string, version: number): object {
  return { metadata: { namespace: 'a', name, resourceVersion: String(version) } };
}

function page(items: readonly object[], version: number, next?: string): KubeAnswer {
  return { status: 200, body: { metadata: { resourceVersion: String(version), ...(next !== undefined && { continue: next }) }, items } };
}

function watching(script: Script): { readonly names: () => readonly string[]; readonly asked: string[]; readonly reasons: (string | undefined)[]; readonly watch: ListWatch<object> } {
  const asked: string[] = [];
  const reasons: (string | undefined)[] = [];
  const api: KubeApi = {
    send: ({ path }) => {
      asked.push(path.replace(/^.*\?/, ''));
      const answer = script.lists.shift() ?? new Error('away');
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    watch: async (path, { onOpen, onLine, signal }) => {
      asked.push(`watch from ${new URLSearchParams(path.replace(/^.*\?/, '')).get('resourceVersion') ?? ''}`);
      const lines = script.watches.shift();
      if (lines instanceof Error) throw lines;
      onOpen();
      for (const line of lines ?? []) onLine(JSON.stringify(line));
      if (lines === undefined) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
    close: () => {},
  };
  const watch = listWatch<object>({ api, path: '/apis/x', labelSelector: 'app=a', fieldSelector: 'status.phase=Running', keep: (each) => Object(each), onChange: () => void reasons.push(watch.waitingFor()), logger: silentLogger });
  open.push(watch);
  return { watch, asked, reasons, names: () => [...watch.items().values()].map((each) => `${textAt(each, 'metadata', 'name') ?? ''}@${textAt(each, 'metadata', 'resourceVersion') ?? ''}`).toSorted() };
}

describe('a list and its watch', () => {
  it('reads all pages before anything is there, then what the watch tells', async () => {
    const { watch, names, asked } = watching({
      lists: [page([object('one', 1)], 5, 'more'), page([object('two', 2)], 5)],
      watches: [[{ type: 'ADDED', object: object('three', 6) }, { type: 'MODIFIED', object: object('one', 7) }, { type: 'DELETED', object: object('two', 8) }]],
    });
    expect([watch.waitingFor(), names()]).toEqual(['its first list', []]);
    await eventually(() => expect(names()).toEqual(['one@7', 'three@6']));
    expect(watch.waitingFor()).toBeUndefined();
    expect(asked.slice(0, 3)).toEqual([`limit=100&${SELECTORS}`, `limit=500&continue=more&${SELECTORS}`, 'watch from 5']);
  });

  it('goes on from the last version when the watch ends or breaks, a bookmark counting', async () => {
    const { asked, names } = watching({ lists: [page([object('one', 1)], 5)], watches: [[{ type: 'BOOKMARK', object: object('', 9) }], new Error('broken'), [{ type: 'ADDED', object: object('two', 12) }]] });
    await eventually(() => expect(names()).toEqual(['one@1', 'two@12']));
    await eventually(() => expect(asked.filter((each) => each.startsWith('watch'))).toEqual(['watch from 5', 'watch from 9', 'watch from 9', 'watch from 12']));
  });

  it.each([
    ['an event', [{ type: 'ERROR', object: { code: 410, message: 'too old' } }]],
    ['a refusal', new KubeError(410, 'too old')],
  ] as const)('lists again when its version has expired, told by %s, and keeps the old list until then', async (_how, expired) => {
    const { names, asked } = watching({ lists: [page([object('one', 1), object('two', 2)], 5), new Error('away'), page([object('two', 2)], 20)], watches: [expired] });
    await eventually(() => expect(names()).toEqual(['one@1', 'two@2']));
    await eventually(() => expect(names()).toEqual(['two@2']));
    await eventually(() => expect(asked.at(-1)).toBe('watch from 20'));
  });

  it('says why there is no list, and takes a list that breaks off for none', async () => {
    const { reasons, names } = watching({ lists: [{ status: 403, body: { message: 'forbidden to list x' } }, page([object('one', 1)], 5, 'more'), { status: 410, body: {} }, page([object('two', 2)], 6)], watches: [] });
    await eventually(() => expect(names()).toEqual(['two@2']));
    expect(reasons).toEqual(['403: forbidden to list x', 'the list expired between two pages', undefined]);
  });

  it('says that what is known may be old, from a failure until the server answers again', async () => {
    const failures: (string | undefined)[] = [];
    const { watch, reasons } = watching({ lists: [page([object('one', 1)], 5)], watches: [[], new Error('connection refused'), new KubeError(403, 'not any more')] });
    await eventually(() => {
      failures.push(watch.failing());
      expect(reasons.length).toBe(4);
    }, { intervalMs: 1 });
    expect(failures).toEqual(expect.arrayContaining([undefined, 'connection refused', '403: not any more']));
    expect([watch.failing(), watch.waitingFor(), watch.items().size]).toEqual([undefined, undefined, 1]);
  });

  it.each([
    [true, undefined],
    [false, '404: no such thing'],
  ])('of a kind that the server does not have is empty where that may be (%j), and else a failure', async (mayBeAbsent, failing) => {
    const api: KubeApi = { send: () => Promise.resolve({ status: 404, body: { message: 'no such thing' } }), watch: () => Promise.reject(new Error('nothing to watch')), close: () => {} };
    const watch = listWatch<object>({ api, path: '/apis/x', mayBeAbsent, keep: (each) => Object(each), onChange: () => {}, logger: silentLogger });
    open.push(watch);
    await eventually(() => expect([watch.waitingFor(), watch.failing(), watch.items().size]).toEqual([failing, failing, 0]));
  });
});
