/**
 * One gRPC call ⇄ one stream machine: bytes in, bytes out, a timer for what is held back, and what is logged and counted.
 */
import { status } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { XdsMetrics } from './metrics.js';
import type { TypeUrl } from './resource-types.js';
import type { DiscoveryMethod } from './services.js';
import type { Snapshot } from './snapshot.js';
import { DEFAULT_STREAM_OPTIONS, DiscoveryStream } from './stream.js';
import type { RequestOutcome, StreamOptions, Variant } from './stream.js';
import type { DifferingResource, TypeStatus } from './stream-status.js';
import { decodeRequest, encodeResponse } from './wire.js';
import type { DecodedRequest, NodeIdentity } from './wire.js';

export interface ConnectionOptions {
  readonly id: number;
  readonly method: DiscoveryMethod;
  readonly call: ServerDuplexStream<Uint8Array, Uint8Array>;
  readonly snapshot: Snapshot | undefined;
  readonly logger: Logger;
  readonly metrics: XdsMetrics;
  readonly clock: Clock;
  readonly stream: Partial<Omit<StreamOptions, 'variant' | 'aggregated'>>;
  /** After each request, when something may have been acknowledged. */
  readonly onProgress: () => void;
  readonly onClose: () => void;
}

/** A connected client as people see it. */
export interface ConnectionStatus {
  readonly id: number;
  readonly node: NodeIdentity;
  readonly variant: Variant;
  /** `aggregated`, or the one type of the stream. */
  readonly service: string;
  readonly connectedMs: number;
  readonly types: readonly TypeStatus[];
}

const UNKNOWN_NODE: NodeIdentity = { id: '', cluster: '', version: '' };

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #stream: DiscoveryStream;
  readonly #openedMs: number;
  #node = UNKNOWN_NODE;
  #logger: Logger;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: ConnectionOptions) {
    const { call, method, snapshot, stream, clock } = options;
    this.#options = options;
    this.#stream = new DiscoveryStream({ ...DEFAULT_STREAM_OPTIONS, ...stream, variant: method.variant, aggregated: method.typeUrl === undefined }, snapshot);
    this.#openedMs = clock.nowMs();
    this.#logger = options.logger.child({ stream: options.id });
    call.on('data', (bytes: Uint8Array) => this.#receive(bytes));
    call.on('cancelled', () => this.#close());
    call.on('error', (error) => {
      this.#logger.info({ error: error.message }, 'xDS stream failed');
      this.#close();
    });
    call.on('end', () => {
      call.end();
      this.#close();
    });
    options.metrics.streamOpened(method.variant);
  }

  publish(snapshot: Snapshot, changes: ReadonlyMap<TypeUrl, ReadonlySet<string>>): void {
    this.#stream.publish(snapshot, changes);
    this.#flush();
  }

  hasAll(snapshot: Snapshot): boolean {
    return this.#stream.hasAll(snapshot);
  }

  status(): ConnectionStatus {
    const { id, method, clock } = this.#options;
    return {
      id,
      node: this.#node,
      variant: method.variant,
      service: method.typeUrl ?? 'aggregated',
      connectedMs: Math.round(clock.nowMs() - this.#openedMs),
      types: this.#stream.status(),
    };
  }

  /** Whether it carries all types. */
  get isAggregated(): boolean {
    return this.#options.method.typeUrl === undefined;
  }

  /** Every resource that the client does not have as it is wanted; costs as much as there are resources. */
  differing(): readonly DifferingResource[] {
    return this.#stream.differing();
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { method, metrics, clock } = this.#options;
    let request: DecodedRequest;
    try {
      request = decodeRequest(method.variant, bytes);
    } catch {
      return this.#fail(status.INVALID_ARGUMENT, 'not a discovery request');
    }
    // A service of one type need not be told the type.
    const typeUrl = request.typeUrl === '' ? (method.typeUrl ?? '') : request.typeUrl;
    if (typeUrl === '') return this.#fail(status.INVALID_ARGUMENT, 'type_url is missing');
    if (method.typeUrl !== undefined && typeUrl !== method.typeUrl) {
      return this.#fail(status.INVALID_ARGUMENT, `this service serves ${method.typeUrl}, not ${typeUrl}`);
    }
    this.#identify(request);
    let outcome: RequestOutcome;
    try {
      outcome = this.#stream.request({ ...request, typeUrl }, clock.nowMs());
    } catch (error) {
      if (error instanceof RangeError) return this.#fail(status.RESOURCE_EXHAUSTED, error.message);
      throw error;
    }
    metrics.request(typeUrl, outcome.kind);
    this.#log(typeUrl, outcome);
    this.#flush();
    this.#options.onProgress();
  }

  /** Rule 10: only the first request of a stream says who it is. */
  #identify({ node }: DecodedRequest): void {
    if (node === undefined || this.#node !== UNKNOWN_NODE) return;
    this.#node = node;
    this.#logger = this.#logger.child({ node: node.id });
    this.#logger.info({ cluster: node.cluster, version: node.version, variant: this.#options.method.variant }, 'xDS client connected');
  }

  #log(typeUrl: TypeUrl, outcome: RequestOutcome): void {
    if (outcome.kind !== 'nack') {
      this.#logger.trace({ type: typeUrl, kind: outcome.kind }, 'xDS request');
      return;
    }
    this.#logger.error({ type: typeUrl, resources: outcome.names, code: outcome.detail.code, said: outcome.detail.message }, 'xDS client refused resources');
  }

  #flush(): void {
    if (this.#closed) return;
    const { method, call, metrics, clock } = this.#options;
    for (const response of this.#stream.responses(clock.nowMs())) {
      const bytes = encodeResponse(method.variant, response);
      metrics.response(response.typeUrl, bytes.length);
      this.#logger.debug(
        { type: response.typeUrl, version: response.version, resources: response.resources.length, removed: response.removed.length, bytes: bytes.length },
        'xDS response',
      );
      // Bounded without looking at the result: at most one response per type is unanswered (rule 16).
      call.write(bytes);
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const at = this.#stream.wakeAtMs;
    if (at !== undefined) this.#cancelTimer = this.#options.clock.after(Math.max(0, at - this.#options.clock.nowMs()), () => this.#flush());
  }

  #fail(code: status, details: string): void {
    this.#logger.warn({ details }, 'xDS request refused');
    this.#options.call.emit('error', { code, details });
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    this.#options.metrics.streamClosed(this.#options.method.variant);
    this.#logger.info('xDS stream closed');
    this.#options.onClose();
  }
}
