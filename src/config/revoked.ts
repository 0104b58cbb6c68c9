// @peculiar/x509 does not load without it.
import 'reflect-metadata';
import { X509Crl } from '@peculiar/x509';
import type { Revoked, San } from '../model/desired-state.js';
import { compileSan } from './credentials.js';
import type { Draft } from './draft.js';
import type { GatewayFile } from './gateway-file.js';

/**
 * What is revoked: serials and names that stand in the file, and the serials of revocation lists. One list for all CAs: a serial is
 * long and random (RFC 5280 §4.1.2.2, CA/B 7.1), and one that two CAs share is refused for both.
 */
export async function compileRevoked(draft: Draft, file: GatewayFile['revoked']): Promise<Revoked> {
  const listed = await draft.list(['revoked', 'crlFiles'], () => file.crlFiles, async (crlFile, place) => {
    const text = await draft.readFile(place, crlFile);
    return text === undefined ? undefined : readSerials(draft, place, { name: draft.resolve(crlFile), text });
  });
  return {
    serials: [...file.serials, ...listed.flat()].map((serial) => serial.replaceAll(':', '').toLowerCase().replace(/^0+/, '')),
    sans: file.names.map((name): San => compileSan(name)),
  };
}

/** OpenSSL says "X509 CRL" (RFC 7468 §7), others "CRL". */
const PEM = /-----BEGIN (?:X509 )?CRL-----([\s\S]*?)-----END (?:X509 )?CRL-----/g;

function readSerials(draft: Draft, place: readonly (string | number)[], { name, text }: { readonly name: string; readonly text: string }): readonly string[] {
  const blocks = [...text.matchAll(PEM)].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
  if (blocks.length === 0) {
    draft.fault(place, `${name} holds no PEM revocation list (-----BEGIN X509 CRL-----)`);
    return [];
  }
  try {
    const lists = blocks.map((block) => new X509Crl(block));
    const old = lists.find(({ nextUpdate }) => nextUpdate !== undefined && nextUpdate.getTime() < draft.nowMs);
    if (old?.nextUpdate !== undefined) draft.warn(place, `${name} should have been renewed by ${old.nextUpdate.toISOString()}; what it lists stays revoked`);
    return lists.flatMap(({ entries }) => entries.map(({ serialNumber }) => serialNumber));
  } catch {
    draft.fault(place, `${name} cannot be parsed`);
    return [];
  }
}
