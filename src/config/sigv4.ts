import type { AwsKeys, AwsRole, SigV4 } from '../model/receiver-credentials.js';
import type { Draft } from './draft.js';
import type { ExportDestinationFile } from './gateway-file.js';
import type { Path } from './yaml-source.js';

/** Who signs requests for AWS: keys that are written down, or a role, which these or a token of the cluster lead to. */

type SigV4File = NonNullable<ExportDestinationFile['sigv4']>;
type RoleFile = NonNullable<SigV4File['role']>;

export async function compileSigV4(draft: Draft, place: Path, { kind, sigv4, basic, bearerTokenFile, oauth2 }: ExportDestinationFile): Promise<SigV4 | undefined> {
  if (sigv4 === undefined) return undefined;
  const at = [...place, 'sigv4'];
  if (kind === 'pushgateway') draft.fault(at, 'is for `kind: remote_write`; a Pushgateway knows no signatures');
  if ((basic ?? bearerTokenFile ?? oauth2) !== undefined) draft.fault(at, 'stands beside `basic`, `bearerTokenFile` or `oauth2`; a request can carry one of them');
  const { region, service, role } = sigv4;
  const keys = await compileKeys(draft, at, sigv4);
  if (role === undefined) return keys && { region, service, credentials: { kind: 'keys', ...keys } };
  const taken = compileRole(draft, [...at, 'role'], { role, region, keys });
  return taken && { region, service, credentials: { kind: 'role', ...taken } };
}

/** Undefined: there are none, which is a fault where nothing else leads to any. */
async function compileKeys(draft: Draft, at: Path, { accessKeyId, secretAccessKeyFile, sessionTokenFile, role }: SigV4File): Promise<AwsKeys | undefined> {
  const hasToken = role?.webIdentityTokenFile !== undefined;
  if (hasToken && (accessKeyId ?? secretAccessKeyFile ?? sessionTokenFile) !== undefined) draft.fault([...at, 'role', 'webIdentityTokenFile'], 'stands beside keys; a role is taken with one of them');
  if (hasToken) return undefined;
  if (accessKeyId === undefined || secretAccessKeyFile === undefined) {
    draft.fault([...at, 'region'], 'needs `accessKeyId` and `secretAccessKeyFile`, or a `role` with `webIdentityTokenFile`');
    return undefined;
  }
  const secretAccessKey = await draft.readSecret([...at, 'secretAccessKeyFile'], secretAccessKeyFile);
  const sessionToken = sessionTokenFile === undefined ? undefined : await draft.readSecret([...at, 'sessionTokenFile'], sessionTokenFile);
  return secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey, sessionToken };
}

function compileRole(draft: Draft, at: Path, { role, region, keys }: { readonly role: RoleFile; readonly region: string; readonly keys: AwsKeys | undefined }): AwsRole | undefined {
  const { arn, externalId, webIdentityTokenFile, stsUrl = stsOf(region) } = role;
  if (webIdentityTokenFile === undefined) return keys && { arn, externalId, stsUrl, by: { kind: 'keys', ...keys } };
  if (externalId !== undefined) draft.fault([...at, 'externalId'], 'goes with keys; with a token STS asks for none');
  return { arn, externalId: undefined, stsUrl, by: { kind: 'token', file: draft.resolve(webIdentityTokenFile) } };
}

/** The one of the region, as AWS advises; China's have a domain of their own. */
function stsOf(region: string): string {
  return `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}
