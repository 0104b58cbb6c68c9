import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { Registry } from 'prom-client';
import { silentLogger } from '../../../src/lib/logger.js';
import type { DesiredState, Tenant } from '../../../src/model/desired-state.js';
import { bootstrapYaml } from '../../../src/xds/bootstrap.js';
import { createControlPlane } from '../../../src/xds/control-plane.js';
import type { ControlPlane } from '../../../src/xds/control-plane.js';
import type { Topology } from '../../../src/xds/resources/index.js';
import { createTestPki, readPair } from '../../support/certificates.js';
import type { CertificateFiles, TestPki } from '../../support/certificates.js';
import { startEnvoy } from '../../support/envoy.js';
import type { RunningEnvoy } from '../../support/envoy.js';
import { createTempDir } from '../../support/temp-dir.js';
import { startStubSidecar } from './stub-sidecar.js';
import type { StubSidecar } from './stub-sidecar.js';

/**
 * The real Envoy with our bootstrap, configured by our control plane over its socket, with stubs behind it.
 */
export interface EnvoyUnderTest extends AsyncDisposable {
  readonly envoy: RunningEnvoy;
  readonly sidecar: StubSidecar;
  readonly state: DesiredState;
  readonly topology: Topology;
  readonly pki: TestPki;
  controlPlane: ControlPlane;
  /** Ends the control plane and starts another on the same socket, with nothing published. */
  restartControlPlane(): Promise<void>;
  /** Publishes and waits until Envoy has taken everything. */
  publish(state: DesiredState): Promise<void>;
  /** A TLS connection to a listener, with the certificate of agent `site-a` on the agents' listener. */
  dial(listener: 'scrape' | 'agents'): Promise<TestConnection>;
}

export async function startEnvoyUnderTest(): Promise<EnvoyUnderTest> {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const state = await stateWith(pki, dir.join('access.jsonl'));
  const topology: Topology = { dataThreads: 1, runtimeDir: dir.path };
  const sidecar = stack.use(await startStubSidecar(dir.path));
  const startControlPlane = (): Promise<ControlPlane> =>
    createControlPlane({ socketPath: dir.join('xds.sock'), logger: silentLogger, registry: new Registry() });
  const self: EnvoyUnderTest = {
    controlPlane: await startControlPlane(),
    sidecar,
    state,
    topology,
    pki,
    envoy: await startEnvoy({
      bootstrap: bootstrapYaml({ nodeId: 'gw-0', runtimeDir: dir.path, maxConnections: 1000, maxScrapeConnections: 500 }),
      adminSocket: dir.join('admin.sock'),
      dir: dir.path,
      // A listener that drains shows it at once.
      args: ['--drain-time-s', '1'],
    }),
    restartControlPlane: async () => {
      await self.controlPlane.close();
      self.controlPlane = await startControlPlane();
    },
    publish: async (next) => {
      expectOk(self.controlPlane.publish(next, topology));
      expectOk(await self.controlPlane.whenAcked(20_000));
    },
    dial: (listener) => dial(self, listener),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  stack.defer(() => self.controlPlane.close());
  stack.use(self.envoy);
  return self;
}

function expectOk(result: { readonly ok: boolean; readonly error?: unknown }): void {
  if (!result.ok) throw new Error(JSON.stringify(result.error, null, 2));
}

async function stateWith(pki: TestPki, accessLogPath: string): Promise<DesiredState> {
  const certificate = await certificatePems(pki.gateway);
  return {
    gateway: {
      id: 'gw-0',
      names: ['localhost'],
      // Port 0: Envoy says which it took.
      scrape: { host: '127.0.0.1', port: 0, ...certificate, clientCaPem: await readFile(pki.clientsCaFile, 'utf8') },
      agents: { host: '127.0.0.1', port: 0, ...certificate, clientCaPem: await readFile(pki.agentsCaFile, 'utf8') },
      limits: { maxConnections: 1000, maxScrapeConnections: 500, defaultScrapeTimeoutMs: 10_000, maxScrapeTimeoutMs: 120_000, deadlineMarginMs: 500 },
      accessLogPath,
    },
    tenants: [tenant('team-a', 1000)],
    agents: [],
  };
}

export async function certificatePems(files: CertificateFiles): Promise<{ readonly certificateChainPem: string; readonly privateKeyPem: string }> {
  return { certificateChainPem: await readFile(files.certificateFile, 'utf8'), privateKeyPem: await readFile(files.keyFile, 'utf8') };
}

export function tenant(name: string, requestsPerSecond: number, burst: number = requestsPerSecond): Tenant {
  return { name, credentials: [], scrape: [], limits: { requestsPerSecond, burst } };
}

interface ListenerStatuses {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

async function dial({ envoy, pki }: EnvoyUnderTest, listener: 'scrape' | 'agents'): Promise<TestConnection> {
  const { listener_statuses: listeners } = await envoy.adminJson<ListenerStatuses>('listeners?format=json');
  const port = listeners.find(({ name }) => name === listener)?.local_address.socket_address.port_value;
  if (port === undefined) throw new Error(`Envoy has no listener ${listener}`);
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    // Rotation replaces the CA too: what is compared is the certificate.
    rejectUnauthorized: false,
    ...(listener === 'agents' ? await readPair(await agentCertificate(pki)) : {}),
  });
  await once(socket, 'secureConnect');
  return new TestConnection(socket);
}

const agentCertificates = new WeakMap<TestPki, Promise<CertificateFiles>>();

function agentCertificate(pki: TestPki): Promise<CertificateFiles> {
  const known = agentCertificates.get(pki) ?? pki.agent('site-a');
  agentCertificates.set(pki, known);
  return known;
}

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** One connection on which HTTP/1.1 is written by hand, so that it is certain that it stays the same one. */
export class TestConnection implements Disposable {
  readonly socket: TLSSocket;
  #received = '';
  #error: Error | undefined;

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#received += text;
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
  }

  /** SHA-256 of the certificate that Envoy showed, base64. */
  get certificate(): string {
    return createHash('sha256').update(this.socket.getPeerCertificate().raw).digest('base64');
  }

  get isOpen(): boolean {
    return !this.socket.destroyed && !this.socket.readableEnded;
  }

  /** A request without a body, and its answer, which must have a content-length. */
  async request(line: string, ...headers: readonly string[]): Promise<RawAnswer> {
    this.#received = '';
    this.socket.write(`${[`${line} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`);
    const head = await this.#until(/^[^]*?\r\n\r\n/);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    await this.#until(new RegExp(`\\r\\n\\r\\n[^]{${length}}`));
    return { status: Number(head.split(' ')[1]), head, body: this.#received.slice(head.length) };
  }

  /** Upgrades to a tunnel; what is written comes back then. */
  async upgrade(): Promise<RawAnswer> {
    return this.request('GET /tunnel', 'Connection: Upgrade', 'Upgrade: scrapeway-tunnel');
  }

  async echo(text: string): Promise<string> {
    this.#received = '';
    this.socket.write(text);
    return this.#until(new RegExp(text));
  }

  /** Resolves when the other end closes. */
  async closed(): Promise<void> {
    if (this.isOpen) await once(this.socket, 'close');
  }

  async #until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#received);
      if (match !== null) return match[0];
      if (!this.isOpen) throw this.#error ?? new Error(`the connection was closed; received: ${JSON.stringify(this.#received)}`);
      await new Promise<void>((resolve) => {
        for (const event of ['data', 'close']) this.socket.once(event, () => resolve());
      });
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
