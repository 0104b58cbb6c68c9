import { describe, expect, it } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { ClusterSchema } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../gen/envoy/config/route/v3/route_pb.js';
import { FileAccessLogSchema } from '../gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { FieldRulesSchema } from '../gen/validate/validate_pb.js';
import { compileRules } from './pgv-rules.js';
import { registry } from './registry.js';
import { compileMessage, validateMessage } from './validate.js';

type Rules = NonNullable<MessageInitShape<typeof FieldRulesSchema>['type']>;

/** What a field with these rules complains of. */
function complaints(type: Rules, value: unknown): string[] {
  const { checks } = compileRules(create(FieldRulesSchema, { type }), undefined, 'test.Message.field');
  return checks.flatMap((check) => check(value)).map(({ step, message }) => `${step}${message}`);
}

describe('rule-24-pgv', () => {
  it('every rule of every message that Any may hold is known: an unknown kind in the protos fails here', () => {
    const messages = [...registry].filter((type) => type.kind === 'message');
    expect(messages.length).toBeGreaterThan(400);
    for (const message of messages) expect(() => compileMessage(message)).not.toThrow();
  });

  it.each<[string, Rules]>([
    ['string.max_len', { case: 'string', value: { maxLen: 3n } }],
    ['string.email', { case: 'string', value: { wellKnown: { case: 'email', value: true } } }],
    ['bytes.pattern', { case: 'bytes', value: { pattern: 'a' } }],
    ['uint32.in', { case: 'uint32', value: { in: [1] } }],
    ['enum.const', { case: 'enum', value: { const: 1 } }],
    ['repeated.items of an unknown kind', { case: 'repeated', value: { items: { type: { case: 'string', value: { contains: 'x' } } } } }],
    ['map.values', { case: 'map', value: { values: { type: { case: 'string', value: { minLen: 1n } } } } }],
    ['any.in', { case: 'any', value: { in: ['x'] } }],
    ['duration.const', { case: 'duration', value: { const: { seconds: 1n } } }],
    ['timestamp', { case: 'timestamp', value: {} }],
  ])('a rule that is not implemented is an error when it is compiled, never passed over: %s', (_name, type) => {
    expect(() => complaints(type, undefined)).toThrow(/test\.Message\.field.* has the rule .*not implemented/);
  });

  it.each<[string, Rules, good: readonly unknown[], bad: readonly unknown[]]>([
    ['numbers within', { case: 'uint32', value: { gte: 1, lt: 10 } }, [1, 9], [0, 10]],
    ['numbers outside of a gap', { case: 'int32', value: { lt: 1, gt: 10 } }, [0, 11], [1, 10]],
    ['64 bits', { case: 'uint64', value: { lte: 9_007_199_254_740_993n } }, [9_007_199_254_740_993n], [9_007_199_254_740_994n]],
    ['doubles', { case: 'double', value: { gte: 0, lte: 1 } }, [0, 0.5, 1], [-0.1, 1.1]],
    ['bool.const', { case: 'bool', value: { const: true } }, [true], [false]],
    ['characters, not bytes', { case: 'string', value: { minLen: 2n } }, ['ab', 'éé'], ['é', '']],
    ['bytes of a string', { case: 'string', value: { maxBytes: 3n } }, ['abc', 'é'], ['éé']],
    ['string.in', { case: 'string', value: { in: ['a', 'b'] } }, ['a'], ['c', '']],
    ['string.pattern is found anywhere', { case: 'string', value: { pattern: '^a+$' } }, ['aa'], ['ab', '']],
    ['header names', { case: 'string', value: { wellKnown: { case: 'wellKnownRegex', value: 1 } } }, ['x-a', ':path'], ['a b', 'a\n']],
    ['header values, loosely', { case: 'string', value: { wellKnown: { case: 'wellKnownRegex', value: 2 }, strict: false } }, ['a\tb\u0001'], ['a\r', 'a\0']],
    ['header values, strictly', { case: 'string', value: { wellKnown: { case: 'wellKnownRegex', value: 2 } } }, ['a\tb'], ['a\u0001']],
    ['bytes', { case: 'bytes', value: { minLen: 1n, maxLen: 2n } }, [new Uint8Array(1)], [new Uint8Array(0), new Uint8Array(3)]],
    ['lists', { case: 'repeated', value: { minItems: 1n, maxItems: 2n, unique: true } }, [['a'], ['a', 'b']], [[], ['a', 'a'], ['a', 'b', 'c']]],
    ['items of a list', { case: 'repeated', value: { items: { type: { case: 'string', value: { minLen: 1n } } } } }, [['a']], [['a', '']]],
    ['maps and their keys', { case: 'map', value: { minPairs: 1n, keys: { type: { case: 'string', value: { minLen: 1n } } } } }, [{ a: 1 }], [{}, { '': 1 }]],
    ['durations, to the nanosecond', { case: 'duration', value: { gt: {} } }, [{ seconds: 0n, nanos: 1 }], [{ seconds: 0n, nanos: 0 }]],
  ])('%s', (_name, type, good, bad) => {
    for (const value of good) expect([value, complaints(type, value)]).toEqual([value, []]);
    for (const value of bad) expect([value, complaints(type, value).length]).toEqual([value, 1]);
  });

  it('all faults are said at once, each with its path, through Any, lists and oneofs', () => {
    const listener = create(ListenerSchema, {
      name: 'l',
      accessLog: [{ name: 'a', configType: { case: 'typedConfig', value: anyPack(FileAccessLogSchema, create(FileAccessLogSchema)) } }],
      maxConnectionsToAcceptPerSocketEvent: 0,
    });
    expect(validateMessage(ListenerSchema, listener, 'listener "l"')).toEqual([
      { place: 'listener "l" max_connections_to_accept_per_socket_event', message: 'must be > 0, is 0' },
      { place: 'listener "l" access_log[0].typed_config.path', message: 'must not be empty' },
    ]);
    const routes = create(RouteConfigurationSchema, { name: 'r', virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: {} }] }] });
    expect(validateMessage(RouteConfigurationSchema, routes, '').map(({ place }) => place)).toEqual([
      'virtual_hosts[0].routes[0].action',
      'virtual_hosts[0].routes[0].match.path_specifier',
    ]);
  });

  it('an Any that nobody can look into is a fault', () => {
    const cluster = create(ClusterSchema, { name: 'c', typedExtensionProtocolOptions: { x: { typeUrl: 'type.googleapis.com/no.Such', value: new Uint8Array() } } });
    expect(validateMessage(ClusterSchema, cluster, '')).toEqual([
      { place: 'typed_extension_protocol_options["x"]', message: 'type.googleapis.com/no.Such cannot be checked: no such message in the generated code' },
    ]);
  });
});
