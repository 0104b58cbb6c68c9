import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import { silentLogger } from '../lib/logger.js';
import { err, ok } from '../lib/result.js';
import type { GatewaySpec } from '../model/desired-state.js';
import { createDoorSecrets } from './door-secrets.js';
import type { DoorSecrets, ReadDoor } from './door-secrets.js';
import type { SecretData } from './secrets.js';

/** Doors whose certificates stand in Secrets: closed until all parts are there, then never without a good one again. */

const CERTIFICATE = { name: 'tls', namespace: undefined };
const CA = { name: 'ca', namespace: 'elsewhere', key: 'ca.crt' };

/** Texts that begin with "bad" are none. */
const read: ReadDoor = {
  certificate: async ({ namespace, name }, { text }) => {
    const [chain, key] = [text({ namespace, name }, 'tls.crt'), text({ namespace, name }, 'tls.key')];
    if (!chain.ok || !key.ok) return { result: err(chain.ok ? 'no key' : chain.error), warnings: [] };
    return { result: chain.value.startsWith('bad') ? err(`${namespace}/${name} is bad`) : ok({ certificateChainPem: chain.value, privateKeyPem: key.value }), warnings: [] };
  },
  clientCas: async ([first], { text }) => {
    const pem = first === undefined ? err('none') : text(first, first.key);
    return { result: pem.ok && pem.value.startsWith('bad') ? err('bad CA') : pem, warnings: [] };
  },
};

function secret(data: Readonly<Record<string, string>>): SecretData {
  return { data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])) };
}

function gatewayWith(change: (gateway: GatewaySpec) => Partial<GatewaySpec>): GatewaySpec {
  const { gateway } = desiredState();
  return { ...gateway, ...change(gateway) };
}

const SPEC = gatewayWith(({ scrape, agents }) => ({
  scrape: { ...scrape, fromSecrets: { certificate: CERTIFICATE, clientCas: [] }, isClosed: true },
  agents: { ...agents, clientCaPem: 'of-a-file ', fromSecrets: { certificate: CERTIFICATE, clientCas: [CA] }, isClosed: true },
}));

function rig(there: Record<string, SecretData>): { readonly doors: DoorSecrets; readonly after: (spec?: GatewaySpec) => Promise<unknown> } {
  const look = ({ namespace, name }: { readonly namespace: string; readonly name: string }): SecretData | string => there[`${namespace}/${name}`] ?? 'does not exist in this namespace';
  const doors = createDoorSecrets({ secrets: { look, waitingFor: () => [], sweep: () => {}, close: async () => {} }, namespace: 'home', read, logger: silentLogger });
  return {
    doors,
    after: async (spec = SPEC) => {
      await doors.update(spec);
      const { scrape, agents } = doors.resolve(spec);
      return [scrape.isClosed === true ? 'closed' : scrape.certificateChainPem, agents.isClosed === true ? 'closed' : `${agents.certificateChainPem} ${agents.clientCaPem}`];
    },
  };
}

describe('a door from Secrets', () => {
  it('is closed until all of its parts were there once, whatever the other door has', async () => {
    const there: Record<string, SecretData> = {};
    const { doors, after } = rig(there);
    expect(await after()).toEqual(['closed', 'closed']);
    there['home/tls'] = secret({ 'tls.crt': 'one', 'tls.key': 'k' });
    expect(await after()).toEqual(['one', 'closed']);
    expect(doors.report().filter(({ hasGood }) => !hasGood)).toMatchObject([{ door: 'agents', part: 'clientCas', problem: 'does not exist in this namespace' }]);
    there['elsewhere/ca'] = secret({ 'ca.crt': 'ca' });
    expect(await after()).toEqual(['one', 'one of-a-file ca']);
    expect(doors.report().map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
  });

  it('keeps what was last good, part by part', async () => {
    const there: Record<string, SecretData> = { 'home/tls': secret({ 'tls.crt': 'one', 'tls.key': 'k' }), 'elsewhere/ca': secret({ 'ca.crt': 'ca' }) };
    const { doors, after } = rig(there);
    await after();
    there['home/tls'] = secret({ 'tls.crt': 'bad', 'tls.key': 'k' });
    there['elsewhere/ca'] = secret({ 'ca.crt': 'ca2' });
    expect(await after()).toEqual(['one', 'one of-a-file ca2']);
    expect(doors.report().flatMap(({ problem }) => problem ?? [])).toEqual(['home/tls is bad', 'home/tls is bad']);
    Reflect.deleteProperty(there, 'home/tls');
    expect(await after()).toEqual(['one', 'one of-a-file ca2']);
    there['home/tls'] = secret({ 'tls.crt': 'two', 'tls.key': 'k' });
    expect(await after()).toEqual(['two', 'two of-a-file ca2']);
  });

  it('that had files, and is to have Secrets, keeps the files\' until those are read', async () => {
    const there: Record<string, SecretData> = {};
    const { after } = rig(there);
    const files = gatewayWith(({ scrape, agents }) => ({ scrape: { ...scrape, certificateChainPem: 'file' }, agents: { ...agents, certificateChainPem: 'file', clientCaPem: 'ca' } }));
    expect(await after(files)).toEqual(['file', 'file ca']);
    expect(await after()).toEqual(['file', 'file of-a-file ca']);
    there['home/tls'] = secret({ 'tls.crt': 'one', 'tls.key': 'k' });
    expect(await after()).toEqual(['one', 'one of-a-file ca']);
  });

  it('is read again when something has changed, and only then', async () => {
    const { doors } = rig({ 'home/tls': secret({ 'tls.crt': 'one', 'tls.key': 'k' }) });
    expect([await doors.update(SPEC), await doors.update(SPEC)]).toEqual([true, false]);
    expect(await doors.update({ ...SPEC, names: ['another.example'] })).toBe(true);
  });
});
