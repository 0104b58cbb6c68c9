import { describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { startAgent } from '../support/agent.js';
import { createTestPki } from '../support/certificates.js';
import { startConnectProxy } from '../support/connect-proxy.js';
import { startDnsServer } from '../support/dns-server.js';
import { startExporter, TEXT_FORMAT, textAnswer } from '../support/exporter.js';
import { eventually } from '../support/eventually.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import { startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** Agents for real sites, through the whole gateway: what they find, filter, refuse, and how they get out. */

async function listed(world: World): Promise<string[]> {
  const { body } = await world.ask('team-a', '/sd');
  const groups: readonly { readonly labels: Readonly<Record<string, string>> }[] = JSON.parse(body.toString());
  return groups.map(({ labels }) => labels['target'] ?? '').toSorted();
}

describe('discovery at a site', () => {
  it('finds targets in files and DNS, relabels them, and they are scraped', async () => {
    await using files = await createTempDir();
    await using dns = await startDnsServer();
    await using exporter = await startExporter();
    exporter.behave(textAnswer('found 1\n'), '/found');
    const address = `127.0.0.1:${exporter.port}`;
    dns.set({ '_web._tcp.test': [{ type: 'SRV', host: 'localhost', port: exporter.port }] });
    const file = files.join('one.json');
    await writeFile(file, JSON.stringify([{ targets: [address], labels: { env: 'prod', path: '/found' } }, { targets: ['127.0.0.1:1'], labels: { env: 'dev' } }]));
    await using world = await startWorld({
      agentA: {
        discovery: [
          {
            name: 'files',
            file_sd_configs: [{ files: [files.join('*.json')] }],
            relabel_configs: [
              { source_labels: ['env'], regex: 'prod', action: 'keep' },
              { source_labels: ['path'], target_label: '__metrics_path__' },
              { target_label: 'instance', replacement: 'Found' },
            ],
          },
          { name: 'dns', dns_sd_configs: [{ names: ['_web._tcp.test'], servers: [dns.address], refresh_interval: '1s' }], params: { x: ['1'] } },
        ],
        allow: [{ cidr: '127.0.0.0/8' }],

      },
    });
    const dnsName = `localhost-${exporter.port}`;
    expect(await listed(world)).toEqual(['found', dnsName, 'web']);
    expect((await world.ask('team-a', '/scrape/site-a/found')).body.toString()).toBe('found 1\n');
    expect((await world.ask('team-a', `/scrape/site-a/${dnsName}`)).status).toBe(200);
    expect(exporter.requests.map(({ url }) => url)).toEqual(['/found', '/metrics?x=1']);

    // a broken file and a broken resolver take nothing away, and are told
    await writeFile(file, '[{"targets": [1]}]');
    dns.fail();
    await eventually(async () => {
      expect([...(await world.siteA.agent.metric('scrapeway_agent_discovery_up')).values()]).toEqual([0, 0]);
    });
    expect(await listed(world)).toEqual(['found', dnsName, 'web']);
    expect(world.siteA.agent.process.log()).toContain('its last good list stays');
    await writeFile(file, '[]');
    await eventually(async () => expect(await listed(world)).toEqual([dnsName, 'web']));
  });
});

describe('a filter at a site', () => {
  it('drops samples before the WAN, plain and packed, and says when there are too many', async () => {
    const rules = { metric_relabel_configs: [{ source_labels: ['__name__'], regex: 'go_.*', action: 'drop' }], sample_limit: 2 };
    const body = Buffer.from('# TYPE go_x gauge\ngo_x 1\ngo_y 1\n# TYPE up gauge\nup 1\n');
    await using exporter = await startExporter();
    exporter.behave({ kind: 'answer', headers: { 'content-type': TEXT_FORMAT }, body }, '/plain');
    exporter.behave({ kind: 'answer', headers: { 'content-type': TEXT_FORMAT, 'content-encoding': 'gzip' }, body: gzipSync(body) }, '/gzip');
    exporter.behave(textAnswer('a 1\nb 1\nc 1\n'), '/many');
    exporter.behave({ kind: 'answer', headers: { 'content-type': 'application/vnd.google.protobuf' }, body }, '/proto');
    const targetsA = ['plain', 'gzip', 'many', 'proto'].map((name) => ({ name, url: `http://127.0.0.1:${exporter.port}/${name}`, ...rules }));
    await using world = await startWorld({ targetsA });
    const accept = 'application/vnd.google.protobuf;proto=x;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.5';
    const ask = (name: string): ReturnType<World['ask']> => world.ask('team-a', `/scrape/site-a/${name}`, { headers: { accept, 'accept-encoding': 'gzip' } });

    expect((await ask('plain')).body.toString()).toBe('# TYPE up gauge\nup 1\n');
    const packed = await ask('gzip');
    expect([packed.headers['content-encoding'], gunzipSync(packed.body).toString()]).toEqual(['gzip', '# TYPE up gauge\nup 1\n']);
    expect(exporter.requests[0]?.headers).toMatchObject({ accept: 'text/plain;version=0.0.4;q=0.5', 'accept-encoding': 'gzip' });
    expect((await ask('many')).headers['x-scrapeway-reason']).toBe('target_too_many_samples');
    expect((await ask('proto')).headers['x-scrapeway-reason']).toBe('target_unfilterable');
    const dropped = await world.siteA.agent.metric('scrapeway_agent_filter_dropped_samples_total');
    expect([...dropped.values()]).toEqual([4]);
    expect([...(await world.siteA.agent.metric('scrapeway_agent_filter_saved_bytes_total')).values()][0]).toBeGreaterThan(body.length - 26);
  });
});

describe('the allow-list of a site', () => {
  it('is the last word on what was discovered, by name and by address, and can be changed while it runs', async () => {
    await using files = await createTempDir();
    await using exporter = await startExporter();
    const { port } = exporter;
    await writeFile(files.join('t.json'), JSON.stringify([{ targets: [`127.0.0.1:${port}`, `localhost:${port}`, '169.254.169.254:80'] }]));
    const config = { discovery: [{ name: 'files', file_sd_configs: [{ files: [files.join('t.json')] }] }] };
    await using world = await startWorld({ agentA: config });
    const names = [`127.0.0.1-${port}`, `localhost-${port}`, '169.254.169.254-80'];
    const reasons = async (): Promise<string[]> => {
      const answers = await Promise.all(names.map((name) => world.ask('team-a', `/scrape/site-a/${name}`)));
      return answers.map(({ status, headers }) => String(headers['x-scrapeway-reason'] ?? status));
    };
    expect(await reasons()).toEqual(['agent_denied', 'agent_denied', 'agent_denied']);
    expect(exporter.requests).toEqual([]);
    const before: ConfigFile = JSON.parse(await readFile(world.siteA.agent.configFile, 'utf8'));
    await world.siteA.agent.rewriteConfig({ ...before, allow: [{ cidr: '127.0.0.0/8', ports: [port] }, { cidr: '::1/128' }, { cidr: '0.0.0.0/0' }] });
    await eventually(async () => expect(await reasons()).toEqual(['200', '200', 'agent_denied']));
  });
});

describe('the way out of a site', () => {
  it.each(['http', 'https'] as const)('may lead through an %s proxy that wants credentials', async (scheme) => {
    await using dir = await createTempDir();
    const pki = await createTestPki(dir.join('pki'));
    await using proxy = await startConnectProxy({ credentials: 'site-a:secret', ...(scheme === 'https' && { certificate: pki.gateway }) });
    await writeFile(dir.join('good'), 'secret\n');
    await writeFile(dir.join('wrong'), 'wrong\n');
    const config = (password: string): ConfigFile => ({
      proxy: { url: `${scheme}://localhost:${proxy.port}`, basic: { user: 'site-a', passwordFile: dir.join(password) }, ...(scheme === 'https' && { caFile: pki.serverCaFile }) },
    });
    await using world = await startWorld({ agentA: config('good') });
    expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200);
    expect(proxy.process.log()).toContain(`connected localhost:${world.gateway.ports.agents}`);
    // a body larger than any window, and a keep-alive that goes through
    world.siteA.exporter.behave({ kind: 'answer', headers: { 'content-type': TEXT_FORMAT }, body: Buffer.alloc(3_000_000, 'x') });
    expect((await world.ask('team-a', '/scrape/site-a/web')).body).toHaveLength(3_000_000);

    await world.siteA.agent.stop();
    await using refused = await startAgent({ dir: world.dir.path, pki: world.pki, name: 'site-a', gatewayPort: world.gateway.ports.agents, targets: [], config: config('wrong') });
    await refused.process.waitForLog(/wants credentials, or others than it got \(407\)/);
    expect([...(await refused.metric('scrapeway_agent_tunnel_failures_total')).keys()]).toEqual([expect.stringContaining('cause="proxy"')]);
  });
});
