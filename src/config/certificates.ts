import { certificateInfo, certificatesInfo, CLIENT_AUTH, coversName, keyBelongsTo, SERVER_AUTH } from '../lib/certificate.js';
import type { CertificateInfo } from '../lib/certificate.js';
import type { Draft } from './draft.js';
import type { Path } from './yaml-source.js';

/**
 * Certificates that a configuration names, judged when it is read: what a handshake would only refuse later, and less clearly.
 */

export interface CertificatePair {
  /** The leaf first. */
  readonly chainPem: string;
  readonly privateKeyPem: string;
  /** Of the leaf. */
  readonly info: CertificateInfo;
}

const DAY_MS = 86_400_000;
/** Below it, an expiry is worth a warning: long enough to act, short enough for certificates that live for weeks. */
const WARN_BEFORE_MS = 7 * DAY_MS;

/** `tls.certFile` and `tls.keyFile`: readable, a pair, in its time, and made for this use. */
export async function readPair(
  draft: Draft,
  place: Path,
  files: { readonly certFile: string; readonly keyFile: string; readonly usage: 'server' | 'client' },
): Promise<CertificatePair | undefined> {
  const certPlace = [...place, 'certFile'];
  const keyPlace = [...place, 'keyFile'];
  const chainPem = await draft.readFile(certPlace, files.certFile);
  const privateKeyPem = await draft.readFile(keyPlace, files.keyFile);
  const info = chainPem === undefined ? undefined : readLeaf(draft, certPlace, { file: files.certFile, pem: chainPem, usage: files.usage });
  if (chainPem === undefined || privateKeyPem === undefined || info === undefined) return undefined;
  const belongs = keyBelongsTo(chainPem, privateKeyPem);
  if (!belongs.ok) draft.fault(keyPlace, `${draft.resolve(files.keyFile)} ${belongs.error}`);
  else if (!belongs.value) draft.fault(keyPlace, `${draft.resolve(files.keyFile)} is not the key of the certificate in ${draft.resolve(files.certFile)}`);
  return belongs.ok && belongs.value ? { chainPem, privateKeyPem, info } : undefined;
}

function readLeaf(draft: Draft, place: Path, { file, pem, usage }: { readonly file: string; readonly pem: string; readonly usage: 'server' | 'client' }): CertificateInfo | undefined {
  const info = certificateInfo(pem);
  const name = draft.resolve(file);
  if (!info.ok) {
    draft.fault(place, `${name} ${info.error}`);
    return undefined;
  }
  const { isCa, extendedKeyUsage } = info.value;
  if (isCa) draft.fault(place, `${name} holds a CA as its first certificate; the ${usage}'s own must come first`);
  const wanted = usage === 'server' ? SERVER_AUTH : CLIENT_AUTH;
  if (extendedKeyUsage.length > 0 && !extendedKeyUsage.includes(wanted)) {
    draft.fault(place, `${name} is not for ${usage}s: its extended key usage lacks ${usage === 'server' ? 'serverAuth' : 'clientAuth'}`);
  }
  const dates = dateProblem(info.value, draft.nowMs);
  if (dates?.severity === 'fault') draft.fault(place, `${name} ${dates.message}`);
  if (dates?.severity === 'warning') draft.warn(place, `${name} ${dates.message}`);
  return info.value;
}

/** Warns of each name that a client could not verify the certificate for. */
export function warnUncovered(draft: Draft, place: Path, { pair, names }: { readonly pair: CertificatePair; readonly names: readonly string[] }): void {
  for (const name of names) {
    if (!coversName(pair.chainPem, name)) draft.warn([...place, 'certFile'], `the certificate does not name "${name}" of gateway.names; clients that dial it must be told another server name`);
  }
}

/** CA files, joined to one PEM text. Each must hold at least one CA that is in its time. */
export async function readCas(draft: Draft, files: readonly { readonly file: string; readonly place: Path }[]): Promise<string | undefined> {
  const texts: string[] = [];
  for (const { file, place } of files) {
    const pem = await draft.readFile(place, file);
    if (pem !== undefined && checkCas(draft, place, { name: draft.resolve(file), pem })) texts.push(pem.trimEnd());
  }
  return texts.length === files.length ? `${texts.join('\n')}\n` : undefined;
}

function checkCas(draft: Draft, place: Path, { name, pem }: { readonly name: string; readonly pem: string }): boolean {
  const parsed = certificatesInfo(pem);
  const complain = (message: string): false => {
    draft.fault(place, `${name} ${message}`);
    return false;
  };
  if (!parsed.ok) return complain(parsed.error);
  const authorities = parsed.value.filter(({ isCa }) => isCa);
  const [first] = authorities;
  if (first === undefined) return complain('holds no CA certificate; is it a server\'s or a client\'s own certificate?');
  const problems = authorities.flatMap((authority) => dateProblem(authority, draft.nowMs) ?? []);
  const [problem] = problems;
  // One old root beside a new one is how roots are rotated.
  if (problem?.severity === 'fault' && problems.filter(({ severity }) => severity === 'fault').length === authorities.length) return complain(problem.message);
  for (const { message } of problems) draft.warn(place, `${name}: a CA in it ${message}`);
  return true;
}

interface DateProblem {
  readonly severity: 'fault' | 'warning';
  readonly message: string;
}

function dateProblem({ notBefore, notAfter }: CertificateInfo, nowMs: number): DateProblem | undefined {
  if (nowMs < notBefore.getTime()) return { severity: 'fault', message: `is not valid before ${notBefore.toISOString()}` };
  if (nowMs >= notAfter.getTime()) return { severity: 'fault', message: `expired on ${notAfter.toISOString()}` };
  if (notAfter.getTime() - nowMs < WARN_BEFORE_MS) return { severity: 'warning', message: `expires on ${notAfter.toISOString()}` };
  return undefined;
}
