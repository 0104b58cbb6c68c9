import { create } from '@bufbuild/protobuf';
import { createInterface } from 'node:readline';
import { Registry } from 'prom-client';
import { Cluster_DiscoveryType, ClusterSchema } from '../../src/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../src/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { ClusterLoadAssignment } from '../../src/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { silentLogger } from '../../src/lib/logger.js';
import { createControlPlane } from '../../src/xds/control-plane.js';
import { ads, seconds } from '../../src/xds/resources/pack.js';

/**
 * Our control plane with many endpoints, told by lines on standard input what to serve, as the peer is (peer/main.go). It checks
 * what it publishes, so it has a cluster for each load assignment, which the peer has not.
 */
function assignment(index: number, port: number): ClusterLoadAssignment {
  return create(ClusterLoadAssignmentSchema, {
    clusterName: `cluster-${index}`,
    endpoints: [
      {
        lbEndpoints: [0, 1, 2].map((host) => ({
          hostIdentifier: {
            case: 'endpoint' as const,
            value: {
              address: {
                address: {
                  case: 'socketAddress' as const,
                  value: { address: `10.${Math.floor(index / 65_536)}.${Math.floor(index / 256) % 256}.${host}`, portSpecifier: { case: 'portValue' as const, value: port } },
                },
              },
            },
          },
        })),
      },
    ],
  });
}

const [socketPath = ''] = process.argv.slice(2);
const controlPlane = await createControlPlane({ socketPath, logger: silentLogger, registry: new Registry() });
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const [verb, first, second] = line.split(' ');
  const index = Number(first);
  const port = Number(second);
  const indices = Array.from({ length: index }, (_, each) => each);
  const result =
    verb === 'load'
      ? controlPlane.publishResources({
          cluster: indices.map((each) =>
            create(ClusterSchema, {
              name: `cluster-${each}`,
              connectTimeout: seconds(1),
              clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
              edsClusterConfig: { edsConfig: ads },
            }),
          ),
          endpoint: indices.map((each) => assignment(each, port)),
          listener: [],
          route: [],
          secret: [],
        })
      : controlPlane.publishChange({ put: { endpoint: [assignment(index, port)] } });
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  process.stdout.write('done\n');
}
await controlPlane.close();
