/**
 * The configuration files of the quick start, as text: what a user would write by hand. Pure.
 *
 * Two teams, two sites. team-a comes with a password, team-b with a client certificate; one Prometheus scrapes for both, once
 * by discovery and the path door for each team, and once through `proxy_url`.
 */
import { relative } from 'node:path';
import type { Layout, Ports } from './layout.js';

/** Paths in the files are relative to the state folder, where the files are. */
function inState(layout: Layout, path: string): string {
  return relative(layout.stateDir, path);
}

export function gatewayYaml(layout: Layout, ports: Ports, teamABcrypt: string): string {
  const pki = inState(layout, layout.pkiDir);
  return `# The gateway of the quick start. Every key is explained in docs/configuration.md.
gateway: { id: quickstart, names: [localhost, 127.0.0.1] }
listeners:
  scrape:
    address: 127.0.0.1:${ports.scrape}
    tls: { certFile: ${pki}/gateway.crt, keyFile: ${pki}/gateway.key, clientCaFiles: [${pki}/clients-ca.crt] }
  agents:
    address: 127.0.0.1:${ports.agents}
    tls: { certFile: ${pki}/gateway.crt, keyFile: ${pki}/gateway.key, clientCaFiles: [${pki}/agents-ca.crt] }
runtimeDir: ${inState(layout, layout.runDir)}
accessLog: { path: ${layout.accessLog} }
metrics: { address: 127.0.0.1:${ports.gatewayStatus} }
tenants:
  - name: team-a
    credentials:
      - basic: { user: team-a, passwordHash: "${teamABcrypt}" }
  - name: team-b
    credentials:
      - certificate: { uri: spiffe://scrapeway/tenant/team-b }
agents:
  - { name: site-a, tenants: [team-a] }
  - { name: site-b, tenants: [team-b] }
`;
}

export interface SiteOptions {
  readonly agent: string;
  readonly statusPort: number;
  readonly targets: readonly { readonly name: string; readonly url: string; readonly labels: Readonly<Record<string, string>> }[];
}

export function agentYaml(layout: Layout, ports: Ports, site: SiteOptions): string {
  const pki = inState(layout, layout.pkiDir);
  const targets = site.targets.map(
    ({ name, url, labels }) => `  - name: ${name}
    url: ${url}
    labels: { ${Object.entries(labels).map(([key, value]) => `${key}: ${value}`).join(', ')} }`,
  );
  return `# An agent of the quick start: what may be scraped at its site.
gateways: [{ address: "localhost:${ports.agents}" }]
tls: { certFile: ${pki}/agents/${site.agent}.crt, keyFile: ${pki}/agents/${site.agent}.key, caFile: ${pki}/server-ca.crt }
metrics: { address: 127.0.0.1:${site.statusPort} }
targets:
${targets.join('\n')}
`;
}

export function prometheusYaml(layout: Layout, ports: Ports): string {
  const ca = `${layout.pkiDir}/server-ca.crt`;
  const teamA = `basic_auth: { username: team-a, password_file: ${layout.teamAPasswordFile} }`;
  const teamB = `tls_config: { ca_file: ${ca}, cert_file: ${layout.pkiDir}/clients/team-b.crt, key_file: ${layout.pkiDir}/clients/team-b.key }`;
  return `global: { scrape_interval: 2s, scrape_timeout: 2s }
scrape_configs:
  # team-a: targets by discovery, scraped by path
  - job_name: team-a
    scheme: https
    ${teamA}
    tls_config: { ca_file: ${ca} }
    http_sd_configs:
      - url: https://localhost:${ports.scrape}/sd
        refresh_interval: 5s
        ${teamA}
        tls_config: { ca_file: ${ca} }
  # team-b: the same with a client certificate
  - job_name: team-b
    scheme: https
    ${teamB}
    http_sd_configs:
      - url: https://localhost:${ports.scrape}/sd
        refresh_interval: 5s
        ${teamB}
  # team-b once more: an ordinary target, through proxy_url
  - job_name: team-b-proxy
    proxy_url: https://localhost:${ports.scrape}
    ${teamB}
    static_configs:
      - targets: ["node.site-b.scrapeway:${ports.nodeB}"]
`;
}
