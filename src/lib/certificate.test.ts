import { describe, expect, it } from '@jest/globals';
import { certificateInfo, certificatesInfo, keyBelongsTo } from './certificate.js';

const SECRET = 'c2VjcmV0LWtleS1ieXRlcw==';

describe('what is not a certificate or a key is described, never quoted', () => {
  it.each<[string, string, string]>([
    ['an empty text', '', 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)'],
    ['a key', `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`, 'holds no PEM certificate (-----BEGIN CERTIFICATE-----)'],
    ['a broken certificate', `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----\n`, 'certificate 1 in it cannot be parsed'],
  ])('%s', (_, pem, error) => {
    expect(certificatesInfo(pem)).toEqual({ ok: false, error });
    expect(certificateInfo(pem)).toEqual({ ok: false, error });
    expect(keyBelongsTo(pem, '')).toEqual({ ok: false, error });
  });
});
