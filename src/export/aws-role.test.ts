import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { portOf } from '../../test/support/ports.js';
import { isSigned } from '../../test/support/strict-receiver.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import type { ExportDestination } from '../model/desired-state.js';
import type { AwsRole } from '../model/receiver-credentials.js';
import { createReceiver, transportTo } from './receiver.js';

/** A receiver that wants the signature of a role's keys, beside the STS that gives them: both check signatures as AWS does. */

const OWN = { accessKeyId: 'AKIDOWN', secretAccessKey: 'own/secret', region: 'eu-central-1' };
const LENT = { accessKeyId: 'ASIALENT', secretAccessKey: 'lent/secret', region: 'eu-central-1', service: 'aps' };
const ARN = 'arn:aws:iam::123456789012:role/metrics';

let dir: TempDir;
let base: string;
let asked: URLSearchParams[] = [];
const LIFE_MS = 3_600_000;
const server = createServer(async (request, response) => {
  const asIs = { path: request.url ?? '', headers: request.headers, body: await buffer(request), client: undefined };
  if (request.url === '/write') {
    response.writeHead(isSigned(asIs, LENT) && request.headers['x-amz-security-token'] === `session-${asked.length}` ? 204 : 403).end();
    return;
  }
  const form = new URLSearchParams(asIs.body.toString());
  const isHeard = form.get('Action') === 'AssumeRole' ? isSigned(asIs, { ...OWN, service: 'sts' }) : form.get('WebIdentityToken')?.startsWith('token-') === true && request.headers.authorization === undefined;
  if (!isHeard || form.get('RoleArn') !== ARN) return void response.writeHead(403).end('<ErrorResponse><Error><Code>AccessDenied</Code><Message>not for you</Message></Error></ErrorResponse>');
  asked.push(form);
  const keys = `<AccessKeyId>${LENT.accessKeyId}</AccessKeyId><SecretAccessKey>${LENT.secretAccessKey}</SecretAccessKey><SessionToken>session-${asked.length}</SessionToken>`;
  response.end(`<R><Result><Credentials>${keys}<Expiration>${new Date(Date.now() + LIFE_MS).toISOString()}</Expiration></Credentials></Result></R>`);
});

beforeAll(async () => {
  dir = await createTempDir();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${portOf(server)}`;
});
beforeEach(() => {
  asked = [];
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  await dir[Symbol.asyncDispose]();
});

const byKeys: AwsRole['by'] = { kind: 'keys', accessKeyId: OWN.accessKeyId, secretAccessKey: OWN.secretAccessKey, sessionToken: undefined };

function posting(role: Partial<AwsRole>, nowMs: () => number = () => 0) {
  const credentials = { kind: 'role', arn: ARN, externalId: undefined, stsUrl: `${base}/`, by: byKeys, ...role } as const;
  const destination: ExportDestination = {
    name: 'out', kind: 'remote_write', urls: [base], version: '2', headers: {}, oauth2: undefined, sigv4: { region: LENT.region, service: LENT.service, credentials },
    caPem: undefined, client: undefined, proxy: undefined, timeoutMs: 5000, tenantLabel: undefined,
  };
  const receiver = createReceiver(destination, `${base}/write`, undefined, nowMs);
  const post = transportTo(receiver);
  return { status: async () => (await post({}, Buffer.from('x'), AbortSignal.timeout(5000))).status, [Symbol.asyncDispose]: () => receiver.close() };
}

describe('a role of AWS', () => {
  it('is taken with keys, once for many requests, and again before its own end', async () => {
    let nowMs = 0;
    await using sender = posting({ externalId: 'from scrapeway' }, () => nowMs);
    expect(await Promise.all([sender.status(), sender.status()])).toEqual([204, 204]);
    expect(asked.map((form) => [form.get('Action'), form.get('ExternalId')])).toEqual([['AssumeRole', 'from scrapeway']]);
    nowMs = LIFE_MS * 0.9 + 1;
    expect([await sender.status(), asked.length]).toEqual([204, 2]);
  });

  it('is taken with the token that is in the file at that time, which nobody signs', async () => {
    let nowMs = 0;
    const file = dir.join('token');
    await writeFile(file, 'token-1\n');
    await using sender = posting({ by: { kind: 'token', file } }, () => nowMs);
    expect(await sender.status()).toBe(204);
    await writeFile(file, 'token-2\n');
    nowMs = LIFE_MS;
    expect(await sender.status()).toBe(204);
    expect(asked.map((form) => [form.get('Action'), form.get('WebIdentityToken')])).toEqual([['AssumeRoleWithWebIdentity', 'token-1'], ['AssumeRoleWithWebIdentity', 'token-2']]);
  });

  it('that is not given leaves the request unsent, with what STS says', async () => {
    await using sender = posting({ by: { ...byKeys, secretAccessKey: 'another' } });
    await expect(sender.status()).rejects.toThrow(`no keys for ${ARN} from 127.0.0.1:${new URL(base).port}: status 403 not for you`);
  });
});
