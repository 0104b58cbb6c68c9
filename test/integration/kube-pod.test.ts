import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { binary, optionalBinary } from '../support/binaries.js';
import { createTestPki } from '../support/certificates.js';
import { at, listAt, renderChart } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { fetchRaw } from '../support/http.js';
import { freePort } from '../support/ports.js';
import { startProcess } from '../support/process.js';
import type { RunningProcess } from '../support/process.js';
import { nodeBinary, projectDir } from '../support/project.js';
import { createTempDir } from '../support/temp-dir.js';

/**
 * What the chart's pods run, run: each container's own command line, in the order in which kubelet starts and stops them, with the
 * volumes' paths moved into a folder of the test. There is no kubelet here, no image and no cgroup.
 */

const helm = (await optionalBinary('helm')) ?? '';
const withHelm = helm === '' ? describe.skip : describe;
if (helm === '') process.stderr.write('kube-pod.test.ts is skipped: no helm; node scripts/setup.mjs --for kubernetes builds it\n');

function find(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`the chart renders no ${kind}`);
  return found;
}

function strings(values: readonly unknown[]): readonly string[] {
  return values.map(String);
}

withHelm('the gateway’s pod', () => {
  it('starts, is ready, passes helm test, and lets Envoy outlive the gateway', async () => {
    await using dir = await createTempDir();
    const pki = await createTestPki(dir.path);
    const ports = { scrape: await freePort(), agents: await freePort(), metrics: await freePort() };
    const manifests = await renderChart(helm, ['ci/gateway-values.yaml'], { 'gateway.names': ['localhost'], 'gateway.ports': ports, 'gateway.service.scrape.port': ports.scrape, 'gateway.listenAddress': '127.0.0.1' });

    const certificates: readonly (readonly [string, string])[] = [
      ['tls/scrape/tls.crt', pki.gateway.certificateFile],
      ['tls/scrape/tls.key', pki.gateway.keyFile],
      ['tls/agents/tls.crt', pki.gateway.certificateFile],
      ['tls/agents/tls.key', pki.gateway.keyFile],
      ['tls/agents-ca/ca.crt', pki.agentsCaFile],
      ['tls/clients-ca/ca.crt', pki.clientsCaFile],
    ];
    const here = (text: string): string =>
      certificates.reduce((moved, [mounted, file]) => moved.replaceAll(`/etc/scrapeway/${mounted}`, file), text).replaceAll('/etc/scrapeway', dir.join('etc')).replaceAll('/run/scrapeway', dir.join('run'));
    await mkdir(dir.join('run'));
    await mkdir(dir.join('etc/config'), { recursive: true });
    await writeFile(dir.join('etc/config/gateway.yaml'), here(String(at(find(manifests, 'Secret'), 'stringData', 'gateway.yaml'))));
    // As in the image.
    await mkdir(dir.join('bin'));
    await writeFile(dir.join('bin/scrapeway'), `#!/bin/sh\nexec '${nodeBinary}' '${path.join(projectDir, 'dist/src/main/scrapeway.js')}' "$@"\n`);
    await chmod(dir.join('bin/scrapeway'), 0o755);
    const env = { PATH: `${dir.join('bin')}:${path.dirname(nodeBinary)}:${process.env['PATH'] ?? ''}`, NODE_OPTIONS: '' };

    const pod = at(find(manifests, 'Deployment'), 'spec', 'template', 'spec');
    const [bootstrapContainer, envoyContainer] = listAt(pod, 'initContainers');
    const [gatewayContainer] = listAt(pod, 'containers');
    const start = (name: string, command: string, args: readonly unknown[], more: Readonly<Record<string, string>> = {}): RunningProcess =>
      startProcess({ name, command, args: strings(args).map(here), cwd: dir.path, env: { ...env, ...more } });

    const [shell, ...shellArgs] = strings(listAt(bootstrapContainer, 'command'));
    const bootstrap = start('bootstrap', shell ?? '', shellArgs);
    expect(await bootstrap.exited).toMatchObject({ code: 0 });
    await using envoy = start('envoy', await binary('envoy'), listAt(envoyContainer, 'args'));
    await using gateway = start('gateway', 'scrapeway', listAt(gatewayContainer, 'args'));
    await gateway.until(
      'ready',
      async () => {
        const { status, body } = await fetchRaw({ url: `http://127.0.0.1:${ports.metrics}/readyz` });
        if (status !== 200) throw new Error(body.toString('utf8'));
      },
      { timeoutMs: 30_000 },
    );

    const [, ...script] = listAt(find(manifests, 'Pod'), 'spec', 'containers', 0, 'command');
    const test = start('helm test', nodeBinary, script, { SCRAPE_HOST: 'localhost', SCRAPE_PORT: String(ports.scrape), READY_URL: `http://127.0.0.1:${ports.metrics}/readyz` });
    await test.exited;
    expect(test.log()).toBe('ready; the scrape door asks for credentials\n');

    expect(await gateway.stop(30_000)).toEqual({ code: 0, signal: null });
    // Still there when the gateway has gone: what it was told to finish, it could.
    expect(envoy.log()).not.toContain('exiting');
    envoy.signal('SIGTERM');
    expect(await envoy.exited).toMatchObject({ code: 0 });
  }, 90_000);
});
