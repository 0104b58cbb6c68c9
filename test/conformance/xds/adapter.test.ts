import { describe, expect, it } from '@jest/globals';
import { Client, credentials } from '@grpc/grpc-js';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ClusterSchema } from '../../../src/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../../src/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { silentLogger } from '../../../src/lib/logger.js';
import { startXdsAdapter } from '../../../src/xds/adapter.js';
import { RESOURCE_TYPES } from '../../../src/xds/resource-types.js';
import type { Kind } from '../../../src/xds/resource-types.js';
import { WAYS, XdsClient } from '../../support/xds-client.js';

/**
 * The adapter as ii/xds-test-harness uses it: what its Go client writes on the wire, and what its cases expect. The harness
 * itself runs against the command `xds-adapter` (docs/xds.md).
 */
const LOCAL = { host: '127.0.0.1', port: 0 };

/** A message of strings by field number, and of messages. */
function message(...fields: readonly (readonly [number, string | Uint8Array])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    writer.tag(number, WireType.LengthDelimited);
    if (typeof value === 'string') writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}

const bytesIn = (bytes: Buffer): Uint8Array => bytes;
const bytesOut = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

function call(client: Client, method: string, request: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(`/adapter.Adapter/${method}`, bytesOut, bytesIn, request, (error, answer) => {
      if (error !== null) reject(error);
      else resolve(answer ?? new Uint8Array());
    });
  });
}

/** Packed as the harness does: bare, with a name only. */
function named(kind: 'cluster' | 'endpoint', name: string): Uint8Array {
  const value = kind === 'cluster' ? toBinary(ClusterSchema, create(ClusterSchema, { name })) : toBinary(ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, { clusterName: name }));
  return message([1, RESOURCE_TYPES[kind].url], [2, value]);
}

function resource(kind: Kind, name: string, version: string): Uint8Array {
  return message([1, 'test-id'], [2, RESOURCE_TYPES[kind].url], [3, name], [4, version]);
}

const SUCCESS = Uint8Array.of(8, 1);

describe('the conformance adapter', () => {
  it.each(WAYS)('sets, updates, adds, removes and clears; the version is the one that it was told ($variant, $service)', async (way) => {
    const adapter = await startXdsAdapter({ xds: LOCAL, adapter: LOCAL, logger: silentLogger });
    const control = new Client(`${adapter.adapter.host}:${adapter.adapter.port}`, credentials.createInsecure());
    const client = new XdsClient(`${adapter.xds.host}:${adapter.xds.port}`, way, 'test-id');
    const got = (kind: Kind): unknown => [client.last(kind).version, client.last(kind).resources.length, client.last(kind).removed];

    expect(await call(control, 'SetState', message([1, 'test-id'], [2, '1'], [3, named('cluster', 'A')], [3, named('cluster', 'B')], [3, named('endpoint', 'A')]))).toEqual(SUCCESS);
    client.subscribe('cluster', ['A', 'Z']);
    await client.next('cluster');
    expect(got('cluster')).toEqual(['1', 1, way.variant === 'delta' ? ['Z'] : []]);
    client.subscribe('endpoint', ['A']);
    await client.next('endpoint');
    expect(got('endpoint')).toEqual(['1', 1, []]);
    expect(await call(control, 'UpdateResource', resource('cluster', 'A', '2'))).toEqual(SUCCESS);
    await client.next('cluster');
    expect(got('cluster')).toEqual(['2', 1, []]);
    expect(await call(control, 'AddResource', resource('cluster', 'Z', '3'))).toEqual(SUCCESS);
    await client.next('cluster');
    expect(got('cluster')).toEqual(['3', way.variant === 'delta' ? 1 : 2, []]);
    expect(await call(control, 'RemoveResource', resource('cluster', 'A', '3'))).toEqual(SUCCESS);
    await client.next('cluster');
    expect(got('cluster')).toEqual(['3', way.variant === 'delta' ? 0 : 1, way.variant === 'delta' ? ['A'] : []]);
    await expect(call(control, 'AddResource', message([2, 'type.googleapis.com/no.Such'], [3, 'x']))).rejects.toThrow(/no\.Such is not served/);
    expect(await call(control, 'ClearState', message([1, 'test-id']))).toEqual(message([1, 'cleared']));
    await client.next('cluster');
    expect(got('cluster')).toEqual(['', 0, way.variant === 'delta' ? ['Z'] : []]);

    await client.finish();
    control.close();
    await adapter.close();
  });
});
