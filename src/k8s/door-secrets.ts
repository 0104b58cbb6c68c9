import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import type { DesiredState, GatewaySpec, ListenerSpec } from '../model/desired-state.js';
import type { SecretKey, SecretName } from '../model/kubernetes.js';
import { secretText } from './secrets.js';
import type { SecretData } from './secrets.js';
import type { WatchedSecrets } from './watched-secrets.js';

/**
 * Certificates of the doors that stand in Secrets. Each door has two parts, its certificate and its CAs, and of each part what was last
 * good stays until there is something that is good again. A door with a part that never was good is closed; the other door is not.
 */
export interface DoorSecrets {
  /** Reads what has changed since; whether anything had. Never rejects. */
  update(gateway: GatewaySpec): Promise<boolean>;
  /** The doors with what was last good of them. */
  resolve(gateway: GatewaySpec): GatewaySpec;
  /** What every Secret of the doors is like. */
  report(): readonly DoorReport[];
}

export interface DoorReport {
  readonly door: Door;
  readonly part: Part;
  readonly secrets: readonly SecretName[];
  /** Undefined: as it should be. */
  readonly problem: string | undefined;
  /** Whether the door has something of this part, new or old. */
  readonly hasGood: boolean;
}

export type Door = 'scrape' | 'agents';
export type Part = 'certificate' | 'clientCas';

export interface DoorCertificate {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** How texts become what a door needs (src/config has the rules). */
export interface ReadDoor {
  certificate(secret: SecretName, source: DoorSource & { readonly names: readonly string[] }): Promise<Read<DoorCertificate>>;
  clientCas(secrets: readonly SecretKey[], source: DoorSource): Promise<Read<string>>;
}

interface DoorSource {
  readonly text: (secret: SecretName, key: string) => Result<string, string>;
  readonly nowMs: number;
}

interface Read<T> {
  readonly result: Result<T, string>;
  readonly warnings: readonly string[];
}

export interface DoorSecretsOptions {
  readonly secrets: WatchedSecrets;
  /** Of Secrets that name none. */
  readonly namespace: string;
  readonly read: ReadDoor;
  readonly logger: Logger;
}

/** What is known of one part of one door. */
interface Known<T> {
  /** The Secrets as they were when it was read, and what they are for. */
  readonly inputs: readonly unknown[];
  readonly good: T | undefined;
  readonly report: DoorReport;
}

export function createDoorSecrets({ secrets, namespace, read, logger }: DoorSecretsOptions): DoorSecrets {
  const certificates = new Map<Door, Known<DoorCertificate>>();
  const clientCas = new Map<Door, Known<string>>();
  const placed = <T extends { readonly name: string; readonly namespace?: string | undefined }>(secret: T): T & SecretName => ({ ...secret, namespace: secret.namespace ?? namespace });

  async function readPart<T>(known: Map<Door, Known<T>>, { door, part, refs, names = [] }: { readonly door: Door; readonly part: Part; readonly refs: readonly SecretName[]; readonly names?: readonly string[] }, make: (source: DoorSource) => Promise<Read<T>>): Promise<boolean> {
    const before = known.get(door);
    const found = new Map<string, SecretData | string>(refs.map((ref) => [`${ref.namespace}/${ref.name}`, secrets.look(ref, 'name')]));
    const inputs = [...found.keys(), ...found.values(), ...names];
    if (before !== undefined && before.inputs.length === inputs.length && before.inputs.every((input, index) => input === inputs[index])) return false;
    const text: DoorSource['text'] = (ref, key) => secretText(found.get(`${ref.namespace}/${ref.name}`) ?? 'does not exist', key);
    const { result, warnings } = refs.length === 0 ? { result: ok<T | undefined>(undefined), warnings: [] } : await make({ text, nowMs: Date.now() });
    const good = result.ok ? result.value : before?.good;
    const problem = result.ok ? undefined : result.error;
    known.set(door, { inputs, good, report: { door, part, secrets: refs, problem, hasGood: good !== undefined } });
    if (problem !== undefined) logger.error({ door, part, problem }, good === undefined ? 'the door has no such Secret, and is closed' : 'the Secret of the door cannot be used; what was last good stays');
    else if (refs.length > 0) logger.info({ door, part, secrets: [...found.keys()], warnings }, 'the Secret of the door was read');
    return true;
  }

  const doorOf = <L extends ListenerSpec & { readonly clientCaPem: string | undefined }>(door: Door, listener: L): L => {
    const { fromSecrets } = listener;
    if (fromSecrets === undefined) {
      // If they are to come from Secrets one day, these stay until those are read.
      certificates.set(door, { inputs: [], good: listener, report: { door, part: 'certificate', secrets: [], problem: undefined, hasGood: true } });
      clientCas.set(door, { inputs: [], good: listener.clientCaPem, report: { door, part: 'clientCas', secrets: [], problem: undefined, hasGood: true } });
      return listener;
    }
    const certificate = fromSecrets.certificate === undefined ? listener : certificates.get(door)?.good;
    const cas = fromSecrets.clientCas.length === 0 ? '' : clientCas.get(door)?.good;
    if (certificate === undefined || cas === undefined) return { ...listener, isClosed: true };
    const { certificateChainPem, privateKeyPem } = certificate;
    return { ...listener, isClosed: false, certificateChainPem, privateKeyPem, ...(cas !== '' && { clientCaPem: `${listener.clientCaPem ?? ''}${cas}` }) };
  };

  return {
    update: async ({ names, ...doors }) => {
      let changed = false;
      for (const door of ['scrape', 'agents'] as const) {
        const { fromSecrets } = doors[door];
        if (fromSecrets === undefined) continue;
        const certificate = fromSecrets.certificate && placed(fromSecrets.certificate);
        const dialled = door === 'scrape' ? names : [];
        const readCertificate = certificate !== undefined && (await readPart(certificates, { door, part: 'certificate', refs: [certificate], names: dialled }, (source) => read.certificate(certificate, { ...source, names: dialled })));
        const cas = fromSecrets.clientCas.map(placed);
        const readAuthorities = await readPart(clientCas, { door, part: 'clientCas', refs: cas, names: cas.map(({ key }) => key) }, (source) => read.clientCas(cas, source));
        changed ||= readCertificate || readAuthorities;
      }
      return changed;
    },
    resolve: (gateway) => ({ ...gateway, scrape: doorOf('scrape', gateway.scrape), agents: doorOf('agents', gateway.agents) }),
    report: () => [...certificates.values(), ...clientCas.values()].map(({ report }) => report).filter(({ secrets: named }) => named.length > 0),
  };
}

export function hasSecrets({ gateway: { scrape, agents } }: Pick<DesiredState, 'gateway'>): boolean {
  return scrape.fromSecrets !== undefined || agents.fromSecrets !== undefined;
}

/** Why doors are closed, a line each. */
export function closedDoors(reports: readonly DoorReport[]): readonly string[] {
  return reports.flatMap(({ door, part, secrets, problem, hasGood }) => (hasGood ? [] : [`listeners.${door} is closed, for want of its ${part}: ${secrets.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}: ${problem ?? ''}`]));
}
