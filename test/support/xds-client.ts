import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { RESOURCE_TYPES, resourceType } from '../../src/xds/resource-types.js';
import type { Kind } from '../../src/xds/resource-types.js';
import { DISCOVERY_METHODS, methodDefinition } from '../../src/xds/services.js';
import type { Variant } from '../../src/xds/stream.js';

/**
 * A raw xDS client over gRPC that does only what a test tells it, in any of the four ways. What it is sent is kept as lines,
 * `cluster +a@1 -b`, where the version is what stands in the resource's bytes (xds-snapshot.ts writes `a@1` there).
 *
 * Silence is proved without waiting: `finish` half-closes the stream, and whatever the server had to say has come by its end.
 */
export interface Way {
  readonly variant: Variant;
  /** All types on one stream, or each on a stream of its own. */
  readonly service: 'aggregated' | 'own';
}

export const WAYS: readonly Way[] = [
  { variant: 'delta', service: 'aggregated' },
  { variant: 'delta', service: 'own' },
  { variant: 'sotw', service: 'aggregated' },
  { variant: 'sotw', service: 'own' },
];

export interface RawRequest {
  readonly typeUrl?: string;
  readonly nonce?: string;
  readonly error?: string;
  /** Delta. */
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly initialVersions?: Readonly<Record<string, string>>;
  /** State of the world. */
  readonly names?: readonly string[];
  readonly versionInfo?: string;
  readonly node?: string;
}

export interface RawResponse {
  readonly kind: Kind | 'other';
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly line: string;
  readonly resources: readonly { readonly name: string; readonly version: string; readonly typeUrl: string; readonly text: string }[];
  readonly removed: readonly string[];
  readonly bytes: number;
}

const decoder = new TextDecoder();
const RESPONSE_TIMEOUT_MS = 5_000;

/** One gRPC call. */
export class XdsCall {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Uint8Array, Uint8Array>;
  readonly #variant: Variant;
  readonly #received: RawResponse[] = [];
  readonly #waiting: (() => void)[] = [];
  #ended = false;
  error: Error | undefined;

  constructor(target: string, variant: Variant, kind: Kind | 'aggregated') {
    const typeUrl = kind === 'aggregated' ? undefined : RESOURCE_TYPES[kind].url;
    const method = DISCOVERY_METHODS.find((each) => each.variant === variant && each.typeUrl === typeUrl);
    if (method === undefined) throw new Error(`no service for ${kind}`);
    const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
    this.#client = new Client(target, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
    this.#call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#variant = variant;
    this.#call.on('data', (bytes: Uint8Array) => {
      this.#received.push(decode(variant, bytes));
      this.#wake();
    });
    this.#call.on('error', (error) => this.#end(error));
    this.#call.on('end', () => this.#end());
  }

  send({ typeUrl = '', nonce = '', error, ...rest }: RawRequest): void {
    const common = {
      typeUrl,
      responseNonce: nonce,
      ...(error === undefined ? {} : { errorDetail: { code: 13, message: error } }),
      ...(rest.node === undefined ? {} : { node: { id: rest.node, cluster: 'test' } }),
    };
    const { subscribe = [], unsubscribe = [], initialVersions = {}, names = [], versionInfo = '' } = rest;
    this.#call.write(
      this.#variant === 'delta'
        ? toBinary(
            DeltaDiscoveryRequestSchema,
            create(DeltaDiscoveryRequestSchema, {
              ...common,
              resourceNamesSubscribe: [...subscribe],
              resourceNamesUnsubscribe: [...unsubscribe],
              initialResourceVersions: { ...initialVersions },
            }),
          )
        : toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { ...common, versionInfo, resourceNames: [...names] })),
    );
  }

  /** The next response; fails when none comes. */
  async next(): Promise<RawResponse> {
    const timer = setTimeout(() => this.#end(new Error(`no response within ${RESPONSE_TIMEOUT_MS} ms`)), RESPONSE_TIMEOUT_MS);
    try {
      for (;;) {
        const first = this.#received.shift();
        if (first !== undefined) return first;
        if (this.#ended) throw this.error ?? new Error('the stream has ended');
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the stream from this side; the lines of what came that nobody asked for. */
  async finish(): Promise<string[]> {
    this.#call.end();
    while (!this.#ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#client.close();
    return this.#received.map(({ line }) => line);
  }

  /** Drops the connection, as a crash does. */
  abort(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.error = error;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function decode(variant: Variant, bytes: Uint8Array): RawResponse {
  if (variant === 'sotw') {
    const { typeUrl, nonce, versionInfo, resources } = fromBinary(DiscoveryResponseSchema, bytes);
    const found = resources.map(({ typeUrl: of, value }) => ({ name: nameIn(value), text: decoder.decode(value), typeUrl: of, version: '' }));
    return withLine({ typeUrl, nonce, version: versionInfo, resources: found, removed: [], bytes: bytes.length });
  }
  const { typeUrl, nonce, systemVersionInfo, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
  const found = resources.map(({ name, version, resource: any }) => ({ name, text: decoder.decode(any?.value), typeUrl: any?.typeUrl ?? '', version }));
  return withLine({ typeUrl, nonce, version: systemVersionInfo, resources: found, removed: removedResources, bytes: bytes.length });
}

/** State of the world names a resource in its content only. */
function nameIn(value: Uint8Array): string {
  return decoder.decode(value).split('@')[0] ?? '';
}

function withLine(parts: Omit<RawResponse, 'kind' | 'line'>): RawResponse {
  const kind = resourceType(parts.typeUrl)?.kind ?? 'other';
  const words = [...parts.resources.map(({ text }) => `+${text}`), ...parts.removed.map((name) => `-${name}`)];
  return { ...parts, kind, line: [kind, ...words.sort()].join(' ') };
}

/** A whole client in one of the four ways: what differs between them in form is hidden, what differs in meaning is not. */
export class XdsClient {
  readonly way: Way;
  readonly #target: string;
  readonly #calls = new Map<Kind | 'aggregated', XdsCall>();
  readonly #names = new Map<Kind, Set<string>>();
  readonly #last = new Map<Kind, RawResponse>();
  readonly #node: string;
  readonly all: RawResponse[] = [];
  /** Number of requests written. */
  sent = 0;

  /** `target` as gRPC has it: `unix:/path` or `host:port`. */
  constructor(target: string, way: Way, node: string = 'test-node') {
    this.#target = target;
    this.way = way;
    this.#node = node;
  }

  /** The call that carries a type, opened when it is first used. */
  call(kind: Kind): XdsCall {
    const key = this.way.service === 'aggregated' ? 'aggregated' : kind;
    const known = this.#calls.get(key);
    const call = known ?? new XdsCall(this.#target, this.way.variant, key);
    this.#calls.set(key, call);
    return call;
  }

  /** Sends as it is told; the first request of a stream says who we are (rule 10). */
  raw(kind: Kind, request: RawRequest = {}): void {
    const first = !this.#calls.has(this.way.service === 'aggregated' ? 'aggregated' : kind);
    this.sent += 1;
    this.call(kind).send({ typeUrl: RESOURCE_TYPES[kind].url, ...(first ? { node: this.#node } : {}), ...request });
  }

  /** Adds names to what is asked for, with `initialVersions` where delta has them; no names = the legacy wildcard. */
  subscribe(kind: Kind, names: readonly string[] = [], initialVersions: Readonly<Record<string, string>> = {}): void {
    const all = this.#namesOf(kind);
    for (const name of names) all.add(name);
    this.raw(kind, { subscribe: names, names: [...all], initialVersions, ...this.#sotwNonce(kind) });
  }

  unsubscribe(kind: Kind, names: readonly string[]): void {
    const all = this.#namesOf(kind);
    for (const name of names) all.delete(name);
    this.raw(kind, { unsubscribe: names, names: [...all], ...this.#sotwNonce(kind) });
  }

  /** The next response of a type, acknowledged unless told otherwise; its line. */
  async next(kind: Kind, { ack = true }: { readonly ack?: boolean } = {}): Promise<string> {
    const got = await this.call(kind).next();
    this.all.push(got);
    if (got.kind !== 'other') this.#last.set(got.kind, got);
    if (ack && got.kind !== 'other') this.ack(got.kind);
    return got.line;
  }

  ack(kind: Kind, change: RawRequest = {}): void {
    const { nonce, version } = this.last(kind);
    this.raw(kind, { nonce, versionInfo: version, names: [...this.#namesOf(kind)], ...change });
  }

  nack(kind: Kind, error: string, change: RawRequest = {}): void {
    this.raw(kind, { nonce: this.last(kind).nonce, error, names: [...this.#namesOf(kind)], ...change });
  }

  /** The last response of a type. */
  last(kind: Kind): RawResponse {
    const last = this.#last.get(kind);
    if (last === undefined) throw new Error(`no response of ${kind} yet`);
    return last;
  }

  async finish(): Promise<string[]> {
    const rest = await Promise.all([...this.#calls.values()].map((call) => call.finish()));
    return rest.flat();
  }

  #namesOf(kind: Kind): Set<string> {
    const names = this.#names.get(kind) ?? new Set();
    this.#names.set(kind, names);
    return names;
  }

  #sotwNonce(kind: Kind): RawRequest {
    const last = this.#last.get(kind);
    return this.way.variant === 'sotw' && last !== undefined ? { nonce: last.nonce, versionInfo: last.version } : {};
  }
}
