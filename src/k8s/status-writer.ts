import { randomBytes } from 'node:crypto';
import type { Logger } from '../lib/logger.js';
import { KubeError, MERGE_PATCH, messageOf } from '../kube/api.js';
import type { KubeApi } from '../kube/api.js';
import { apiVersionOf, collectionPath, EVENT } from '../kube/kinds.js';
import type { Kind } from '../kube/kinds.js';
import type { KubeObject } from './kube-object.js';
import type { ObjectRef } from './metric-access.js';
import { newsOf } from './status.js';
import type { StatusPatch } from './status.js';

/**
 * Writes statuses, and Events for what is new and bad in them: of each object only the latest, a few at a time, so that a thousand
 * objects that change at once do not become a thousand requests at once.
 *
 * Only the leader writes. Who stops leading drops what waits and breaks off what is under way.
 */
export interface StatusWriter {
  write(kind: Kind, object: KubeObject, status: StatusPatch): void;
  /** An Event on an object that has no status of ours. */
  tell(kind: Kind, ref: ObjectRef, news: News): void;
  /** From now on; without leave nothing is written and nothing waits. */
  setLeading(leading: boolean): void;
  close(): Promise<void>;
}

export interface StatusWriterOptions {
  readonly api: KubeApi;
  /** Of the Events' reporting instance. */
  readonly identity: string;
  readonly logger: Logger;
}

export interface News {
  readonly reason: string;
  readonly message: string;
}

interface Waiting {
  readonly kind: Kind;
  readonly object: { readonly ref: ObjectRef; readonly uid: string | undefined; readonly status?: unknown };
  /** Undefined: there is `news` alone. */
  readonly status: StatusPatch | undefined;
  readonly news: readonly News[];
}

const RETRY_MS = 5_000;
const AT_ONCE = 4;
/** One object that is changed again and again must not fill the cluster with Events. */
const EVENTS_PER_MINUTE = 120;

export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  return new Writer(options);
}

class Writer implements StatusWriter {
  readonly #api: KubeApi;
  readonly #identity: string;
  readonly #logger: Logger;
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Set<Promise<void>>();
  /** Set while leading. */
  #term: AbortController | undefined;
  #retry: NodeJS.Timeout | undefined;
  #minute = 0;
  #events = 0;

  constructor({ api, identity, logger }: StatusWriterOptions) {
    this.#api = api;
    this.#identity = identity;
    this.#logger = logger;
  }

  write(kind: Kind, object: KubeObject, status: StatusPatch): void {
    this.#wait({ kind, object, status, news: [] });
  }

  tell(kind: Kind, ref: ObjectRef, news: News): void {
    this.#wait({ kind, object: { ref, uid: undefined }, status: undefined, news: [news] });
  }

  #wait(waiting: Waiting): void {
    if (this.#term === undefined) return;
    const { kind, object } = waiting;
    this.#waiting.set(`${kind.plural}/${object.ref.namespace}/${object.ref.name}`, waiting);
    this.#kick();
  }

  setLeading(leading: boolean): void {
    if (leading) {
      this.#term ??= new AbortController();
      return;
    }
    this.#term?.abort();
    this.#term = undefined;
    this.#waiting.clear();
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  async close(): Promise<void> {
    this.setLeading(false);
    await Promise.all(this.#running);
  }

  #kick(): void {
    const signal = this.#term?.signal;
    if (signal === undefined || this.#retry !== undefined) return;
    for (const [key, waiting] of this.#waiting) {
      if (this.#running.size >= AT_ONCE) return;
      this.#waiting.delete(key);
      const running: Promise<void> = this.#send(key, waiting, signal).finally(() => {
        this.#running.delete(running);
        this.#kick();
      });
      this.#running.add(running);
    }
  }

  async #send(key: string, waiting: Waiting, signal: AbortSignal): Promise<void> {
    const { kind, object, status } = waiting;
    // Before it is written: then the watch tells of it, and it is news no more.
    const news = [...waiting.news, ...(status === undefined ? [] : newsOf(status, object.status))];
    try {
      if (status !== undefined && !(await this.#patch(waiting, signal))) return;
      for (const { reason, message } of news) await this.#event(waiting, { reason, message }, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#logger.warn({ kind: kind.kind, ...object.ref, err: error }, 'the status could not be written');
      if (!this.#waiting.has(key)) this.#waiting.set(key, waiting);
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.#kick();
      }, RETRY_MS);
    }
  }

  /** False: it is gone or another one, so there is nobody to tell. */
  async #patch({ kind, object, status }: Waiting, signal: AbortSignal): Promise<boolean> {
    const path = `${collectionPath(kind, object.ref.namespace)}/${encodeURIComponent(object.ref.name)}/status?fieldManager=scrapeway`;
    // With the uid: an object of the same name that came meanwhile is another one.
    const answer = await this.#api.send({ method: 'PATCH', path, body: { metadata: { uid: object.uid }, status }, contentType: MERGE_PATCH, signal });
    if (answer.status === 404 || answer.status === 409) return false;
    if (answer.status >= 300) throw new KubeError(answer.status, messageOf(answer.body));
    return true;
  }

  /** Lost where it cannot be written: the status says the same, and stays. */
  async #event({ kind, object }: Waiting, { reason, message }: News, signal: AbortSignal): Promise<void> {
    const now = new Date();
    const minute = Math.floor(now.getTime() / 60_000);
    this.#events = minute === this.#minute ? this.#events + 1 : 1;
    this.#minute = minute;
    if (this.#events > EVENTS_PER_MINUTE) return;
    const { namespace, name } = object.ref;
    const time = now.toISOString();
    const body = {
      metadata: { name: `${name.slice(0, 200)}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: { apiVersion: apiVersionOf(kind), kind: kind.kind, namespace, name, ...(object.uid !== undefined && { uid: object.uid }) },
      type: 'Warning',
      reason,
      // core/v1 takes 1,024 characters.
      message: message.slice(0, 1_000),
      source: { component: 'scrapeway' },
      reportingComponent: 'scrapeway.io/gateway',
      reportingInstance: this.#identity.slice(0, 128),
      action: 'Read',
      eventTime: time.replace('Z', '000Z'),
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    const answer = await this.#api.send({ method: 'POST', path: collectionPath(EVENT, namespace), body, signal });
    if (answer.status >= 300) this.#logger.warn({ kind: kind.kind, namespace, name, status: answer.status, message: messageOf(answer.body) }, 'the Event could not be written');
  }
}
