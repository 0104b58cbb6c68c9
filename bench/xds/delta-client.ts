import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { DeltaDiscoveryRequestSchema, DeltaDiscoveryResponseSchema } from '../../src/gen/envoy/service/discovery/v3/discovery_pb.js';
import { RESOURCE_TYPES } from '../../src/xds/resource-types.js';
import { methodDefinition } from '../../src/xds/services.js';

/** A delta EDS client that takes whatever comes, the same for both servers. */
const METHOD = methodDefinition({ service: 'envoy.service.endpoint.v3.EndpointDiscoveryService', method: 'DeltaEndpoints' });
const TYPE_URL = RESOURCE_TYPES.endpoint.url;

/** The first request, encoded: it is the same for each of many clients. */
export function firstRequest(names: readonly string[], versions: ReadonlyMap<string, string>): Uint8Array {
  return toBinary(
    DeltaDiscoveryRequestSchema,
    create(DeltaDiscoveryRequestSchema, { typeUrl: TYPE_URL, node: { id: 'bench' }, resourceNamesSubscribe: [...names], initialResourceVersions: Object.fromEntries(versions) }),
  );
}

export class DeltaClient implements Disposable {
  readonly #client: Client;
  readonly #call: ClientDuplexStream<Uint8Array, Uint8Array>;
  readonly versions = new Map<string, string>();
  /** Of all responses. */
  bytes = 0;
  received = 0;
  #wanted = Infinity;
  #done: (() => void) | undefined;
  #error: Error | undefined;

  constructor(socketPath: string, first: Uint8Array) {
    this.#client = new Client(`unix:${socketPath}`, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1, 'grpc.use_local_subchannel_pool': 1 });
    this.#call = this.#client.makeBidiStreamRequest(METHOD.path, METHOD.requestSerialize, METHOD.responseDeserialize);
    this.#call.on('data', (bytes: Uint8Array) => this.#take(bytes));
    this.#call.on('error', (error) => {
      this.#error = error;
      this.#done?.();
    });
    this.#call.write(first);
  }

  /** Resolves when so many resources more have come. */
  async receives(count: number): Promise<void> {
    this.#wanted = this.received + count;
    await this.#arrived();
  }

  /** Resolves when so many resources have come since it was opened. */
  async has(count: number): Promise<void> {
    this.#wanted = count;
    await this.#arrived();
  }

  async #arrived(): Promise<void> {
    while (this.received < this.#wanted && this.#error === undefined) {
      await new Promise<void>((resolve) => {
        this.#done = resolve;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }

  #take(bytes: Uint8Array): void {
    const { nonce, resources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    for (const { name, version } of resources) this.versions.set(name, version);
    this.bytes += bytes.length;
    this.received += resources.length;
    this.#call.write(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: TYPE_URL, responseNonce: nonce })));
    if (this.received >= this.#wanted) this.#done?.();
  }

  [Symbol.dispose](): void {
    this.#call.on('error', () => undefined);
    this.#call.cancel();
    this.#client.close();
  }
}
