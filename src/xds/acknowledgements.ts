/**
 * What became of the responses of one type on one stream: at most one is unanswered (xds.md rule 16), and for each resource the
 * last version that the client took, and, where it refused a later one, the client's own words (rules 13 to 15).
 */
import type { Resources, VersionedResource } from './snapshot.js';
import type { Answer } from './subscription.js';

export interface Pending {
  readonly nonce: string;
  readonly answer: Answer;
  /** Version of the type when it was sent. */
  readonly version: string;
  readonly sentAtMs: number;
}

/** A resource that the client has; without bytes where only the client knows what it is (rule 3). */
export type Good = Pick<VersionedResource, 'version'> & { readonly bytes?: Uint8Array };

export interface Rejection {
  /** Version of the type that was refused. */
  readonly version: string;
  readonly atMs: number;
  readonly code: number;
  /** What the client said, as it said it. */
  readonly message: string;
}

export interface NackDetail {
  readonly code: number;
  readonly message: string;
}

export class Acknowledgements {
  #pending: Pending | undefined;
  #sent: string | undefined;
  #acked: string | undefined;
  #ackedAtMs: number | undefined;
  readonly #lastGood = new Map<string, Good>();
  readonly #rejected = new Map<string, Rejection>();

  get pending(): Pending | undefined {
    return this.#pending;
  }

  /** Nonce of the last response, answered or not. */
  lastNonce: string | undefined;

  /** Version of the type in the last response. */
  get sentVersion(): string | undefined {
    return this.#sent;
  }

  /** Version of the type in the last response that the client took. */
  get ackedVersion(): string | undefined {
    return this.#acked;
  }

  get ackedAtMs(): number | undefined {
    return this.#ackedAtMs;
  }

  /** By name what the client took last. */
  get lastGood(): ReadonlyMap<string, Good> {
    return this.#lastGood;
  }

  /**
   * Names of responses that were refused, until a later response with the name is taken. A NACK is partial and does not say
   * of which resources (rule 14): all of its response are here, and the client's words tell more.
   */
  get rejected(): ReadonlyMap<string, Rejection> {
    return this.#rejected;
  }

  /** What a client that reconnects says that it has, it once took (rule 3). */
  seed(versions: Readonly<Record<string, string>>, now: Pick<Resources, 'get'>): void {
    for (const [name, version] of Object.entries(versions)) {
      const resource = now.get(name);
      this.#lastGood.set(name, resource?.version === version ? resource : { version });
    }
  }

  sent(nonce: string, version: string, answer: Answer, sentAtMs: number): void {
    this.#pending = { nonce, version, answer, sentAtMs };
    this.#sent = version;
    this.lastNonce = nonce;
  }

  /** `fullState`: the response held everything, so whatever is not in it is gone (rule 12). */
  acknowledge({ answer, version }: Pending, fullState: boolean, atMs: number): void {
    this.#pending = undefined;
    this.#acked = version;
    this.#ackedAtMs = atMs;
    if (fullState) {
      this.#lastGood.clear();
      this.#rejected.clear();
    }
    for (const resource of answer.resources) {
      this.#lastGood.set(resource.name, resource);
      this.#rejected.delete(resource.name);
    }
    for (const name of answer.removed) this.forget(name);
  }

  forget(name: string): void {
    this.#lastGood.delete(name);
    this.#rejected.delete(name);
  }

  /** Rule 15: changes only what is shown; what was sent stays known, so the same bytes are not sent again. */
  reject({ answer, version }: Pending, { code, message }: NackDetail, atMs: number): void {
    this.#pending = undefined;
    const rejection: Rejection = { version, code, message, atMs };
    for (const { name } of answer.resources) this.#rejected.set(name, rejection);
    for (const name of answer.removed) this.#rejected.set(name, rejection);
  }
}
