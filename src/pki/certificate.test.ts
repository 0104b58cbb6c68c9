import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { createAuthority, createRequest, issueRequested, readRequest } from './certificate.js';

const HOUR_MS = 3_600_000;

describe('a certificate request', () => {
  it('becomes a certificate for its key, with the names and dates of whoever signs', async () => {
    const authority = await createAuthority({ commonName: 'ca', days: 1 });
    const { requestPem, privateKeyPem } = await createRequest('an agent with ideas of its own');
    const request = await readRequest(requestPem);
    if (!request.ok) throw new Error(request.error);
    const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000);
    const leaf = { commonName: 'site-a', sans: [{ type: 'uri', value: 'spiffe://scrapeway/agent/site-a' }], usage: 'client', notBefore, notAfter: new Date(Date.now() + 100 * 24 * HOUR_MS) } as const;
    const certificate = new X509Certificate(await issueRequested(authority, request.value, leaf));
    expect([certificate.subject, certificate.subjectAltName, certificate.validFromDate]).toEqual(['CN=site-a', 'URI:spiffe://scrapeway/agent/site-a', notBefore]);
    expect(certificate.validToDate).toEqual(new X509Certificate(authority.certificatePem).validToDate);
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(request.value.publicKey)).toBe(true);
    expect(certificate.verify(new X509Certificate(authority.certificatePem).publicKey)).toBe(true);
    expect(privateKeyPem).toContain('BEGIN PRIVATE KEY');
  });

  it('is refused when its signature is not that of its key', async () => {
    const [one, other] = await Promise.all([createRequest('a'), createRequest('a')]);
    const der = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64');
    const mixed = Buffer.from(der(one.requestPem));
    mixed.set([(mixed.at(-1) ?? 0) ^ 1], mixed.length - 1);
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${mixed.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    expect(await readRequest(pem)).toEqual({ ok: false, error: 'the request is not signed with its key' });
    expect((await readRequest(other.requestPem)).ok).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['no request', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['garbage in PEM', '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'],
  ])('is not %s', async (_, pem) => {
    expect(await readRequest(pem)).toEqual({ ok: false, error: 'not a certificate request' });
  });
});
