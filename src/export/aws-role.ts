import { readFile } from 'node:fs/promises';
import { AwsV4Signer } from 'aws4fetch';
import { request } from 'undici';
import type { Dispatcher } from 'undici';
import type { AwsKeys, AwsRole } from '../model/receiver-credentials.js';

/**
 * A role of AWS, taken from its Security Token Service: with keys (`AssumeRole`, itself signed) or with a token that the cluster has put into
 * a file (`AssumeRoleWithWebIdentity`, signed by nobody). Either way what comes back is keys for an hour.
 */

const VERSION = '2011-06-15';
const SESSION = 'scrapeway';
const MAX_TEXT = 500;

export interface RoleOptions {
  readonly region: string;
  readonly dispatcher: Dispatcher;
  readonly timeoutMs: number;
}

/** Throws where STS gives none. */
export async function takeRole(role: AwsRole, { region, dispatcher, timeoutMs }: RoleOptions): Promise<{ readonly value: AwsKeys; readonly lifeMs: number }> {
  const { url, headers, body } = await requestFor(role, region);
  const answer = await request(url, { method: 'POST', headers, body, dispatcher, signal: AbortSignal.timeout(timeoutMs) });
  const text = await answer.body.text();
  const keys = answer.statusCode === 200 ? keysIn(text) : undefined;
  if (keys === undefined) throw new Error(`no keys for ${role.arn} from ${new URL(role.stsUrl).host}: status ${answer.statusCode} ${textOf(text, 'Message') ?? text.slice(0, MAX_TEXT)}`);
  return keys;
}

async function requestFor({ arn, externalId, stsUrl, by }: AwsRole, region: string): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string }> {
  const common = { Version: VERSION, RoleArn: arn, RoleSessionName: SESSION };
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  if (by.kind === 'token') {
    // read each time: whoever puts it there replaces it before it ends
    const token = (await readFile(by.file, 'utf8')).trim();
    return { url: stsUrl, headers, body: new URLSearchParams({ Action: 'AssumeRoleWithWebIdentity', ...common, WebIdentityToken: token }).toString() };
  }
  const body = new URLSearchParams({ Action: 'AssumeRole', ...common, ...(externalId !== undefined && { ExternalId: externalId }) }).toString();
  const { accessKeyId, secretAccessKey, sessionToken } = by;
  const signed = await new AwsV4Signer({ method: 'POST', url: stsUrl, headers, body, accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }), region, service: 'sts' }).sign();
  return { url: stsUrl, headers: Object.fromEntries(signed.headers), body };
}

function keysIn(text: string): { readonly value: AwsKeys; readonly lifeMs: number } | undefined {
  const [accessKeyId, secretAccessKey, sessionToken, expiration = ''] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration'].map((name) => textOf(text, name));
  const lifeMs = Date.parse(expiration) - Date.now();
  if (accessKeyId === undefined || secretAccessKey === undefined || Number.isNaN(lifeMs)) return undefined;
  return { value: { accessKeyId, secretAccessKey, sessionToken }, lifeMs };
}

/** Of an element of an XML answer; what stands in these has nothing that XML would write otherwise. */
function textOf(text: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]+)</${element}>`).exec(text)?.[1];
}
