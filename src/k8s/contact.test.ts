import { describe, expect, it } from '@jest/globals';
import type { KubeApi } from '../kube/api.js';
import { watchContact } from './contact.js';
import type { Contact } from './contact.js';

/** Watches that are ended by hand, at a time that is set by hand. */
function rig(): { readonly contact: Contact; at(ms: number): void; watch(path: string): { open(): void; end(): Promise<void>; breakOff(): Promise<void>; leave(): Promise<void> } } {
  let nowMs = 0;
  const started: { readonly open: () => void; readonly ended: PromiseWithResolvers<void> }[] = [];
  const api: KubeApi = {
    send: () => Promise.reject(new Error('not asked')),
    watch: (_path, { onOpen }) => {
      const ended = Promise.withResolvers<void>();
      started.push({ open: onOpen, ended });
      return ended.promise;
    },
    close: () => {},
  };
  const contact = watchContact(api, () => nowMs);
  return {
    contact,
    at: (ms) => {
      nowMs = ms;
    },
    watch: (path) => {
      const stop = new AbortController();
      const done = contact.api.watch(path, { onOpen: () => {}, onLine: () => {}, signal: stop.signal, idleMs: 1 }).catch(() => {});
      const mine = started.at(-1);
      return {
        open: () => mine?.open(),
        end: () => (mine?.ended.resolve(), done),
        breakOff: () => (mine?.ended.reject(new Error('reset')), done),
        leave: () => (stop.abort(), mine?.ended.reject(new Error('aborted')), done),
      };
    },
  };
}

const PODS = '/api/v1/pods?watch=1&labelSelector=app%3Da&resourceVersion=';

describe('the age of the state', () => {
  it('is 0 while all watches are open, and counts from the end of the first that closed', async () => {
    const { contact, at, watch } = rig();
    const [pods, services] = [watch(`${PODS}1`), watch('/api/v1/services?watch=1')];
    pods.open();
    services.open();
    at(1_000);
    expect(contact.closedForMs()).toBe(0);
    await pods.breakOff();
    at(3_000);
    await services.end();
    at(5_000);
    expect(contact.closedForMs()).toBe(4_000);
  });

  it('goes on over tries that fail, whatever version they ask for, until the same watch is open again', async () => {
    const { contact, at, watch } = rig();
    const first = watch(`${PODS}1`);
    first.open();
    await first.breakOff();
    at(2_000);
    await watch(`${PODS}2`).breakOff();
    at(7_000);
    expect(contact.closedForMs()).toBe(7_000);
    watch(`${PODS}3`).open();
    expect(contact.closedForMs()).toBe(0);
  });

  it('does not count a watch that nobody needs any more', async () => {
    const { contact, at, watch } = rig();
    await watch(`${PODS}1`).leave();
    at(9_000);
    expect(contact.closedForMs()).toBe(0);
  });
});
