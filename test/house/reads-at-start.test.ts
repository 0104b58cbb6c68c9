import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { sourcesBelow } from './sources.js';

/**
 * What a process reads when it starts. An agent runs at many sites, on small machines, and once held the whole gateway in memory since one file of its
 * configuration stood in one of the gateway's: 218 MB in place of 107 (docs/performance.md).
 */

const FORBIDDEN_FOLDERS = ['xds', 'authz', 'hub', 'promql', 'query', 'push', 'credentials', 'behind', 'remotewrite', 'export', 'k8s', 'pki', 'gen'];
const FORBIDDEN_PACKAGES = ['@kubernetes/client-node', '@grpc/grpc-js', '@peculiar/x509', '@bufbuild/protobuf', '@redis/client', 'reflect-metadata'];

/** Imports that are followed when the file is read: neither those of types, nor `import()`. */
const READ_AT_ONCE = /(?:^|[;\n}])\s*(?:import|export)\s+(?!type\b)(?:[^'"`;]*?\sfrom\s*)?['"]([^'"]+)['"]/g;

const codeOf = new Map(sourcesBelow('src').map(({ path: file, code }) => [file, code]));

function readFrom(start: string): { readonly files: ReadonlySet<string>; readonly packages: ReadonlySet<string> } {
  const files = new Set([start]);
  const packages = new Set<string>();
  for (const file of files) {
    for (const [, specifier = ''] of (codeOf.get(file) ?? '').matchAll(READ_AT_ONCE)) {
      if (specifier.startsWith('.')) files.add(path.join(path.dirname(file), specifier).replace(/\.js$/, '.ts'));
      else packages.add(specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/'));
    }
  }
  return { files, packages };
}

describe('an agent that starts', () => {
  const { files, packages } = readFrom('src/main/agent-command.ts');

  it("reads its own files, so that this test sees what it should", () => {
    expect(files).toContain('src/agent/agent.ts');
    expect(packages).toContain('undici');
  });

  it.each(FORBIDDEN_FOLDERS)('reads nothing of src/%s', (folder) => {
    expect([...files].filter((file) => file.startsWith(`src/${folder}/`))).toEqual([]);
  });

  it.each(FORBIDDEN_PACKAGES)('does not load %s', (name) => {
    expect([...packages]).not.toContain(name);
  });
});

describe('a gateway that starts', () => {
  it('does not load the client of Kubernetes before it knows of a cluster', () => {
    const { files, packages } = readFrom('src/main/gateway-command.ts');
    expect(files).toContain('src/main/kubernetes.ts');
    expect([...packages]).not.toContain('@kubernetes/client-node');
  });
});

describe('the command line', () => {
  it('reads no command before it knows which', () => {
    const { files } = readFrom('src/main/scrapeway.ts');
    expect([...files].toSorted()).toEqual(['src/main/command.ts', 'src/main/scrapeway.ts']);
  });
});
