import type { Upgrade } from '../tunnel/handshake.js';
import { normalSerial } from '../model/standing.js';

/**
 * Who holds an agent's name, seen by the certificates that come under it. That a certificate changes is normal: agents renew theirs, and
 * start again. What is not normal is that two want one name, or that the name comes from another authority.
 *
 * The one idea: a process that ever met a rival under its name is never taken for that one's successor, however long it waits.
 */

/** same: the process was renewed; successor: another process, same issuer, and nobody else was there; other: none of these. */
export type Holder = 'same' | 'successor' | 'other';

export interface CertificateChange {
  readonly process: Holder;
  /** Serial numbers. */
  readonly before: string;
  readonly now: string;
}

interface Seen {
  readonly serial: string;
  readonly issuer: string | undefined;
  readonly instance: string;
}

/** Processes that met a rival, by agent, that are remembered: the latest. */
const MAX_RIVALS = 8;

export class CertificateChanges {
  readonly #last = new Map<string, Seen>();
  readonly #rivals = new Map<string, readonly string[]>();

  /** This process has asked for a name that another one has, whether that one still answers or not. */
  metRival({ agent, instance }: Upgrade): void {
    const others = (this.#rivals.get(agent) ?? []).filter((each) => each !== instance);
    this.#rivals.set(agent, [...others, instance].slice(-MAX_RIVALS));
  }

  /** This process has got the name. Undefined: it comes with the certificate that came last, or is the first. */
  note({ agent, instance, serial, issuer }: Upgrade): CertificateChange | undefined {
    const now = normalSerial(serial);
    if (now === undefined) return undefined;
    const before = this.#last.get(agent);
    this.#last.set(agent, { serial: now, issuer, instance });
    if (before === undefined || before.serial === now) return undefined;
    return { process: this.#holder(agent, before, { serial: now, issuer, instance }), before: before.serial, now };
  }

  #holder(agent: string, before: Seen, now: Seen): Holder {
    if (before.issuer !== now.issuer) return 'other';
    if (before.instance === now.instance) return 'same';
    return now.issuer !== undefined && this.#rivals.get(agent)?.includes(now.instance) !== true ? 'successor' : 'other';
  }

  /** Forgets agents that are not configured any more. */
  keepOnly(agents: ReadonlyMap<string, unknown>): void {
    for (const known of [this.#last, this.#rivals]) for (const agent of known.keys()) if (!agents.has(agent)) known.delete(agent);
  }
}
