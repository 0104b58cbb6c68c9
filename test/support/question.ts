import type { Question } from '../../src/authz/question.js';

/** A question of ext_authz: by default a GET of `/` on `gateway.example` by the path door, with no credential. */
export function question(parts: Partial<Question> = {}): Question {
  return {
    door: 'path',
    method: 'GET',
    path: '/',
    host: 'gateway.example',
    principal: '',
    authorization: undefined,
    proxyAuthorization: undefined,
    clientCertificate: undefined,
    scrapeTimeout: undefined,
    upgrade: undefined,
    assertedTenant: undefined,
    peerIssuer: undefined,
    peerSerial: undefined,
    token: undefined,
    ...parts,
  };
}
