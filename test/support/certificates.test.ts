import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { createTestPki, readPair } from './certificates.js';
import { fetchRaw } from './http.js';
import { portOf } from './ports.js';
import { createTempDir } from './temp-dir.js';

describe('the test PKI', () => {
  it('makes certificates that both ends of a TLS connection take', async () => {
    await using dir = await createTempDir();
    const pki = await createTestPki(dir.path);
    const agentsCa = await readFile(pki.agentsCaFile);
    const server = createServer({ ...(await readPair(pki.gateway)), ca: agentsCa, requestCert: true }, (_request, response) => response.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `https://127.0.0.1:${portOf(server)}/`;
    const ca = await readFile(pki.serverCaFile);
    try {
      const { body } = await fetchRaw({ url, tls: { ca, ...(await readPair(await pki.agent('site-a'))) } });
      expect(body.toString()).toBe('hello');
      // a tenant is no agent
      await expect(fetchRaw({ url, tls: { ca, ...(await readPair(await pki.client('team-a'))) } })).rejects.toThrow(/alert|ECONNRESET|socket/);
      await expect(fetchRaw({ url, tls: { ca: agentsCa } })).rejects.toThrow(/certificate/);
    } finally {
      server.close();
    }
  });
});
