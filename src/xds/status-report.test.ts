import { describe, expect, it } from '@jest/globals';
import { create, toBinary } from '@bufbuild/protobuf';
import { Registry } from 'prom-client';
import { SecretSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { silentLogger } from '../lib/logger.js';
import { desiredState } from '../../test/support/desired-state.js';
import { eventually } from '../../test/support/eventually.js';
import { manualClock } from '../../test/support/manual-clock.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import { XdsClient } from '../../test/support/xds-client.js';
import { createControlPlane } from './control-plane.js';
import { readable } from './readable.js';
import { statusText } from './status-text.js';

/** A secret with a key, as it is shown. */
function secret(key: string): unknown {
  const tlsCertificate = {
    certificateChain: { specifier: { case: 'inlineString' as const, value: 'CHAIN' } },
    privateKey: { specifier: { case: 'inlineString' as const, value: key } },
  };
  return readable(SecretSchema, toBinary(SecretSchema, create(SecretSchema, { name: 's', type: { case: 'tlsCertificate', value: tlsCertificate } })));
}

describe('a resource as people read it', () => {
  it('shows no secret, and that one has changed', () => {
    const hidden = { name: 's', tls_certificate: { certificate_chain: { inline_string: 'CHAIN' }, private_key: expect.stringMatching(/^\[redacted [0-9a-f]{8}\]$/) } };
    expect(secret('KEY-1')).toEqual(hidden);
    expect(secret('KEY-1')).toEqual(secret('KEY-1'));
    expect(secret('KEY-2')).not.toEqual(secret('KEY-1'));
    expect(JSON.stringify(secret('KEY-1'))).not.toContain('KEY-1');
  });
});

describe('the status report', () => {
  it('says of each Envoy what is wanted, sent, taken and refused, since when, why, and the difference', async () => {
    await using dir = await createTempDir();
    const clock = manualClock();
    const controlPlane = await createControlPlane({ socketPath: dir.join('xds.sock'), logger: silentLogger, registry: new Registry(), clock });
    expect(statusText(controlPlane.report())).toBe('nothing is published yet\n\nno Envoy is connected');
    const topology = { dataThreads: 1, runtimeDir: '/run/scrapeway' };
    const state = desiredState();
    expect(controlPlane.publish(state, topology)).toMatchObject({ ok: true });
    const client = new XdsClient(`unix:${dir.join('xds.sock')}`, { variant: 'delta', service: 'aggregated' }, 'edge-1');
    client.subscribe('listener');
    await client.next('listener');
    await eventually(() => expect(controlPlane.report().envoys[0]?.types[0]?.current).toBe(true));

    clock.advance(60_000);
    const bad = { ...state, gateway: { ...state.gateway, scrape: { ...state.gateway.scrape, host: 'no-address' } } };
    expect(controlPlane.publish(bad, topology)).toMatchObject({ ok: true });
    await client.next('listener', { ack: false });
    clock.advance(2_000);
    expect(controlPlane.report().envoys[0]?.types[0]).toMatchObject({ unansweredForMs: 2_000, differing: [{ name: 'scrape', state: 'sent', refused: null }] });
    client.nack('listener', 'Error adding/updating listener(s) scrape: malformed IP address: no-address');
    await eventually(() => expect(controlPlane.report().envoys[0]?.types[0]?.unansweredForMs).toBeNull());
    clock.advance(3_000);

    const report = controlPlane.report();
    expect(report.envoys).toMatchObject([
      {
        node: { id: 'edge-1' },
        types: [
          {
            kind: 'listener',
            current: false,
            ackedForMs: 65_000,
            differingCount: 1,
            differing: [
              {
                name: 'scrape',
                state: 'refused',
                refused: { forMs: 3_000, code: 13, named: true, resourceFields: ['address.socket_address.address'], ourFields: ['gateway.scrape.host'] },
                difference: [{ path: 'address.socket_address.address', before: state.gateway.scrape.host, after: 'no-address' }],
              },
            ],
          },
        ],
      },
    ]);
    const text = statusText(report);
    expect(text).toContain('edge-1 (delta, aggregated), connected for 65 s');
    expect(text).toMatch(/listener +[0-9a-f]{12} +[0-9a-f]{12} +[0-9a-f]{12} +65 s +1 refused\n/);
    expect(text).toContain('refused 3 s ago: Error adding/updating listener(s) scrape: malformed IP address: no-address\n');
    expect(text).toContain('our field: gateway.scrape.host\n');
    expect(text).toContain(`address.socket_address.address: "${state.gateway.scrape.host}" → "no-address"`);
    client.call('listener').abort();
    await controlPlane.close();
  });
});
