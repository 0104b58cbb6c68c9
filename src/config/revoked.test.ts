import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { X509CrlGenerator } from '@peculiar/x509';
import { createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

let folder: ConfigFolder;
beforeAll(async () => {
  folder = await createConfigFolder();
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

async function crl(serials: readonly string[], nextUpdate: Date): Promise<string> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const { privateKey } = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const list = await X509CrlGenerator.create(
    { issuer: 'CN=clients', thisUpdate: new Date(0), nextUpdate, signingAlgorithm: algorithm, signingKey: privateKey, entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date(0) })) },
    webcrypto,
  );
  // As OpenSSL heads it.
  return list.toString('pem').replaceAll('CRL-----', 'X509 CRL-----');
}

async function load(revoked: string) {
  await writeFile(folder.join('gateway.yaml'), `${GATEWAY}\nrevoked: ${revoked}\n`);
  return loadGatewayConfig(folder.join('gateway.yaml'), NO_ENVIRONMENT);
}

describe('what is revoked', () => {
  it('are the serials of the file, however they are written, and those of the lists', async () => {
    await writeFile(folder.join('list.crl'), await crl(['0a1b', '7f'], new Date(Date.now() + 86_400_000)));
    const { result, warnings, files } = await load('{ serials: ["00:1F:A0"], crlFiles: [list.crl] }');
    expect(result.ok && result.value.state.gateway.revoked?.serials).toEqual(['1fa0', 'a1b', '7f']);
    expect(warnings).toEqual([]);
    expect([...files.keys()]).toContain(folder.join('list.crl'));
  });

  it('a list that is out of date counts on, with a warning', async () => {
    await writeFile(folder.join('list.crl'), await crl(['7f'], new Date(1000)));
    const { result, warnings } = await load('{ crlFiles: [list.crl] }');
    expect(result.ok && result.value.state.gateway.revoked?.serials).toEqual(['7f']);
    expect(warnings.map(placed)).toEqual([expect.stringMatching(/^revoked\.crlFiles\[0\]: .*should have been renewed by 1970-01-01/)]);
  });

  it.each([
    ['nonsense', /holds no PEM revocation list/],
    ['-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n', /cannot be parsed/],
  ])('a file that is no list is a fault: nothing is passed over in silence', async (text, message) => {
    await writeFile(folder.join('list.crl'), text);
    const { result } = await load('{ crlFiles: [list.crl] }');
    expect(result.ok ? [] : result.error.map(placed)).toEqual([expect.stringMatching(message)]);
  });
});
