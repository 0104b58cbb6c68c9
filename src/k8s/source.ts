import { isDeepStrictEqual } from 'node:util';
import type { Registry } from 'prom-client';
import { formatFault } from '../lib/result.js';
import type { Fault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import type { ExportReport } from '../model/export-report.js';
import type { KubernetesAccess, SecretName } from '../model/kubernetes.js';
import { createKubeApi } from '../kube/api.js';
import { createDiscovery } from './discovery.js';
import type { Discovery } from './discovery.js';
import { closedDoors, createDoorSecrets, hasSecrets } from './door-secrets.js';
import type { DoorSecrets, ReadDoor } from './door-secrets.js';
import { followKubeConfig, kubeConfigOf } from '../kube/kube-config.js';
import { METRIC_ACCESS, SECRET } from '../kube/kinds.js';
import { watchAccesses } from './accesses.js';
import type { WaitingList } from './accesses.js';
import { watchContact } from './contact.js';
import type { Contact } from './contact.js';
import type { KubeObject } from './kube-object.js';
import { campaign } from './lease.js';
import type { Campaign } from './lease.js';
import { FIRST_LIST } from '../kube/list-watch.js';
import type { SecretData } from './secrets.js';
import { watchOwnObjects } from './own-objects.js';
import type { CompileEntry } from './own-objects.js';
import type { OpenMemory } from './memory.js';
import { registerSourceMetrics } from './source-metrics.js';
import { createStatusWriter } from './status-writer.js';
import { combine } from './store.js';
import type { OwnObject, StoreOutput } from './store.js';
import { createTranslate } from './translate.js';
import { watchSecrets } from './watched-secrets.js';
import type { WatchedSecrets } from './watched-secrets.js';

/**
 * A cluster as a source of the wanted state, beside the file. Watches say only that something has changed; then everything is worked
 * out anew from what is known, and what has not changed is remembered on the way. So there is one path for the first list, for each
 * change, for a file that was reloaded and for a cluster that came back.
 */
export interface KubernetesOptions {
  readonly settings: KubernetesSourceSettings;
  /** What the process before knew, and where to keep it for the next one. */
  readonly memory: OpenMemory;
  /** Of this gateway among those that read the same objects. */
  readonly identity: string;
  readonly compileEntry: CompileEntry;
  readonly readDoor: ReadDoor;
  /** Whether this gateway is the one that exports, and writes statuses. False: resolves when it does no more. */
  readonly onLeading: (leading: boolean, left: string | undefined) => Promise<void>;
  /** What this gateway leaves to the one that exports after it. */
  readonly leave: () => string | undefined;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface KubernetesSourceSettings {
  readonly access: KubernetesAccess;
  readonly namespace: string | undefined;
  readonly objects: boolean;
  /** Of our own kinds; undefined = `namespace` alone, with `*` everywhere. */
  readonly objectNamespaces: readonly string[] | undefined;
  readonly metricAccess: { readonly namespaces: readonly string[] | undefined; readonly withoutTerms: 'deny' | 'own-namespace'; readonly secrets: boolean } | undefined;
  readonly status: boolean;
  readonly leaseName: string;
  readonly clusterDomain: string;
  readonly tenantFromNamespace: boolean;
}

export interface KubernetesSource {
  /** The file's state with what the cluster adds to it now. Backends are looked for from then on. */
  stateFor(file: DesiredState): DesiredState;
  /** From now on: called with the whole state when objects change. Its faults mean that nothing was taken. */
  follow(apply: (state: DesiredState) => readonly Fault[]): void;
  /** Lists that were not had yet, and of which nothing is remembered either, each with the reason; empty once all were had. */
  waitingFor(): readonly string[];
  /** Lists that were not had yet, and stand in from the time before the restart. */
  remembering(): readonly string[];
  /** Doors that never had what they need of Secrets, each with the reason. */
  closedDoors(): readonly string[];
  /** Resolves when all lists were had for the first time, when one cannot be had now, or with the time. */
  synced(withinMs: number): Promise<void>;
  /** What became of the exports that objects ask for; told to their owners. */
  report(reports: readonly ExportReport[]): void;
  close(): Promise<void>;
}

/** Changes within it are one: a burst of thousands must not mean thousands of states. */
const GATHER_MS = 25;
/** Under changes that do not end, between two states so many times what one takes, up to a bound: the rest of the time is others'. */
const REST_FACTOR = 3;
const MAX_REST_MS = 400;

/** Throws where the cluster cannot even be tried: no such kubeconfig, not in a pod. */
export function startKubernetes(options: KubernetesOptions): KubernetesSource {
  return new Source(options);
}

/** It is read anew, and large. */
function withoutStatus(object: KubeObject): KubeObject {
  return { ...object, status: undefined };
}

function reportKey(tenant: string, name: string): string {
  return JSON.stringify([tenant, name]);
}

class Source implements KubernetesSource {
  readonly #options: KubernetesOptions;
  readonly #api;
  readonly #accesses;
  readonly #own;
  readonly #secrets: WatchedSecrets;
  readonly #doors: DoorSecrets;
  /** What was told of each Secret of a door. */
  readonly #doorNews = new Map<string, string>();
  readonly #discovery: Discovery;
  readonly #writer;
  readonly #contact: Contact;
  readonly #startCampaign: () => Campaign;
  #campaign: Campaign | undefined;
  readonly #translate = createTranslate();
  readonly #metrics;
  /** Until all lists were had. */
  #last: OpenMemory['last'];
  readonly #synced = Promise.withResolvers<void>();
  /** The last verdict on each object that was said. */
  #told = new WeakMap<KubeObject, object>();
  /** What was remembered last. */
  #kept: DesiredState | undefined;
  #compiled: readonly OwnObject[] = [];
  /** What the gateway has, or has refused. */
  #taken: DesiredState | undefined;
  #opened: { readonly given: DesiredState; readonly state: DesiredState } | undefined;
  #file: DesiredState | undefined;
  #apply: ((state: DesiredState) => readonly Fault[]) | undefined;
  #output: { readonly inputs: readonly unknown[]; readonly output: StoreOutput } | undefined;
  #gather: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  #restUntilMs = 0;
  readonly #startedMs = performance.now();
  /** Whether the first lists have got where they should. */
  #inForce = false;
  #reports: ReadonlyMap<string, ExportReport> = new Map();

  constructor(options: KubernetesOptions) {
    this.#options = options;
    const { settings, identity, compileEntry, readDoor, registry } = options;
    const logger = options.logger;
    const kubeConfig = kubeConfigOf(settings.access);
    const namespace = settings.namespace ?? kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace ?? 'default';
    this.#last = options.memory.last;
    const remembered = this.#last?.remembered;
    this.#contact = watchContact(createKubeApi(followKubeConfig(settings.access, kubeConfig)), () => performance.now());
    this.#api = this.#contact.api;
    const shared = { api: this.#api, logger, onChange: () => this.#changed() };
    this.#accesses = settings.metricAccess && watchAccesses({ ...shared, namespaces: settings.metricAccess.namespaces, remembered: remembered?.accesses });
    this.#secrets = watchSecrets(shared);
    this.#doors = createDoorSecrets({ secrets: this.#secrets, namespace, read: readDoor, logger });
    const { objectNamespaces = [namespace] } = settings;
    this.#own = settings.objects ? watchOwnObjects({ ...shared, namespaces: objectNamespaces.includes('*') ? undefined : objectNamespaces, secrets: this.#secrets, compileEntry }) : undefined;
    this.#discovery = createDiscovery({ ...shared, remembered: remembered?.endpoints ?? new Map(), clusterDomain: settings.clusterDomain });
    const says = settings.status && (settings.objects || settings.metricAccess !== undefined);
    this.#writer = settings.status ? createStatusWriter({ api: this.#api, identity, logger }) : undefined;
    this.#startCampaign = () => campaign({ api: this.#api, namespace, name: settings.leaseName, identity, logger, onLeading: (leading, left) => this.#led(leading, left), leave: options.leave });
    if (says) this.#campaign = this.#startCampaign();
    this.#metrics = registerSourceMetrics(registry, {
      objects: () => [...(this.#accesses === undefined ? [] : [{ kind: METRIC_ACCESS.kind, count: this.#accessObjects().length }]), ...(this.#own?.counts() ?? []).map(({ kind, count }) => ({ kind: kind.kind, count })), { kind: 'endpoints', count: this.#discovery.size() }],
      isLeading: () => this.#campaign?.leading() === true,
      ageMs: () => this.#ageMs(),
      certificates: () => this.#doors.report(),
    });
    options.memory.confirmWhile(() => this.#inForce && this.#ageMs() === 0);
    // With nothing to wait for, nothing else would say so.
    this.#changed();
  }

  stateFor(file: DesiredState): DesiredState {
    this.#file = file;
    // Doors may name other Secrets now.
    if (hasSecrets(file)) this.#changed();
    this.#discovery.follow(this.#backends(file));
    this.#taken = this.#combine(file).state;
    return this.#taken;
  }

  follow(apply: (state: DesiredState) => readonly Fault[]): void {
    this.#apply = apply;
    // What came between the first state and now.
    this.#changed();
  }

  waitingFor(): readonly string[] {
    const missing = this.#missing();
    return missing.length > 0 || this.#inForce ? missing : ['what there is, to its end'];
  }

  closedDoors(): readonly string[] {
    return closedDoors(this.#doors.report());
  }

  remembering(): readonly string[] {
    return this.#waiting().flatMap(({ what, remembered }) => (remembered ? [what] : []));
  }

  #missing(): readonly string[] {
    return this.#waiting().flatMap(({ what, remembered }) => (remembered ? [] : [what]));
  }

  /** Every list that was not had yet, and whether something stands in for it. */
  #waiting(): readonly WaitingList[] {
    return [...this.#objectsWaiting(), ...this.#discovery.waiting()];
  }

  #objectsWaiting(): readonly WaitingList[] {
    const own = this.#own?.waitingFor() ?? [];
    // What is remembered must not wait for Secrets of a cluster that is away.
    const secrets = this.#secrets.waitingFor().map((what) => ({ what, remembered: this.#last !== undefined && !what.endsWith(FIRST_LIST) }));
    return [...(this.#accesses?.waiting() ?? []), ...own.map((what) => ({ what, remembered: this.#last?.remembered.own !== undefined })), ...secrets];
  }

  /** Since when something may have changed that is not known here; 0 = it would be known. */
  #ageMs(): number {
    const waiting = this.#waiting();
    const beforeMs = waiting.length === 0 ? 0 : waiting.some(({ remembered }) => remembered) ? Date.now() - (this.#last?.confirmedMs ?? 0) : performance.now() - this.#startedMs;
    return Math.max(beforeMs, this.#contact.closedForMs());
  }

  async synced(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#synced.resolve(), withinMs);
    await this.#synced.promise;
    clearTimeout(timer);
  }

  report(reports: readonly ExportReport[]): void {
    this.#reports = new Map(reports.map((each) => [reportKey(each.tenant, each.name), each]));
    for (const { object, isReported } of this.#output?.output.sayings ?? []) if (isReported) this.#told.delete(object);
    this.#tell();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#gather);
    await Promise.all([this.#accesses?.close(), this.#own?.close(), this.#secrets.close(), this.#discovery.close(), this.#campaign?.close()]);
    await this.#running;
    await this.#writer?.close();
    await this.#options.memory.close();
    this.#api.close();
  }

  #changed(): void {
    if (this.#closed || this.#gather !== undefined) return;
    this.#gather = setTimeout(() => {
      this.#gather = undefined;
      this.#running = this.#running.then(() => this.#timed());
    }, Math.max(GATHER_MS, this.#restUntilMs - performance.now()));
  }

  async #timed(): Promise<void> {
    const startMs = performance.now();
    await this.#update();
    const endMs = performance.now();
    this.#restUntilMs = endMs + Math.min(MAX_REST_MS, REST_FACTOR * (endMs - startMs));
  }

  async #update(): Promise<void> {
    const doorsChanged = this.#file !== undefined && (await this.#doors.update(this.#file.gateway));
    // A list that is not whole must not look like one from which most was deleted.
    if (this.#closed || this.#objectsMissing()) {
      if (this.#waiting().some(({ what }) => !what.endsWith(FIRST_LIST))) this.#synced.resolve();
      // Doors need nothing but their own Secrets.
      if (doorsChanged && !this.#closed && this.#file !== undefined) this.#take(this.#combine(this.#file).state);
      return;
    }
    this.#compiled = await this.#compileOwn();
    // Secrets that were asked for just now will call again.
    if (this.#objectsMissing()) return;
    if (this.#file !== undefined) this.#discovery.follow(this.#backends(this.#file));
    if (this.#closed || this.#file === undefined) return;
    const { state } = this.#combine(this.#file);
    if (this.#objectsMissing()) return;
    if (state !== this.#taken) this.#take(state);
    this.#tell();
    this.#secrets.sweep();
    this.#inForce = this.#missing().length === 0;
    const waiting = this.#waiting();
    if (this.#inForce && waiting.every(({ what }) => !what.endsWith(FIRST_LIST))) this.#synced.resolve();
    this.#remember(waiting.length === 0);
  }

  #objectsMissing(): boolean {
    return this.#objectsWaiting().some(({ remembered }) => !remembered);
  }

  async #compileOwn(): Promise<readonly OwnObject[]> {
    if (this.#own === undefined) return [];
    return this.#own.waitingFor().length === 0 ? this.#own.compile() : (this.#last?.remembered.own ?? []);
  }

  /** Only what is in force, so that a state that cannot be taken is not remembered. */
  #remember(isWhole: boolean): void {
    if (isWhole && this.#last !== undefined) {
      this.#last = undefined;
      this.#options.logger.info('all objects are those of the cluster now');
    }
    if (!this.#inForce || this.#output === undefined || this.#output.output.state === this.#kept) return;
    this.#kept = this.#output.output.state;
    const own = this.#own === undefined ? undefined : this.#compiled;
    this.#options.memory.changed(() => ({
      accesses: new Map([...(this.#accesses?.known() ?? [])].map(([list, objects]) => [list, objects.map(withoutStatus)])),
      own: own?.map((each) => ({ ...each, object: withoutStatus(each.object) })),
      endpoints: this.#discovery.known(),
    }));
  }

  #take(state: DesiredState): void {
    // Whoever follows hears of it then.
    if (this.#apply === undefined) return;
    const faults = this.#apply(state);
    this.#taken = state;
    if (faults.length === 0) return;
    this.#metrics.refused.inc();
    this.#options.logger.error({ faults: faults.map((fault) => formatFault(fault)) }, 'what the objects make of the state cannot be taken; the last good one stays');
    // So that the next change is tried as a whole again.
    this.#output = undefined;
  }

  /** The same state, by identity, for as long as nothing but statuses has changed. */
  #combine(given: DesiredState): StoreOutput {
    const { settings } = this.#options;
    const file = hasSecrets(given) ? this.#withDoors(given) : given;
    const looked: unknown[] = [];
    const look = (secret: SecretName): SecretData | string => {
      const found = this.#secrets.look(secret, 'name');
      looked.push(found);
      return found;
    };
    const accesses = settings.metricAccess && { objects: this.#accessObjects(), withoutTerms: settings.metricAccess.withoutTerms, ...(settings.metricAccess.secrets && { look }) };
    const backends = this.#backends(file).map((backend) => this.#discovery.resolve(backend));
    const resolved = new Map(backends.map((backend) => [backend.name, backend]));
    const known = this.#output;
    const output = combine({ file, objects: this.#compiled, accesses, resolve: (backend) => resolved.get(backend.name) ?? backend, tenantFromNamespace: settings.tenantFromNamespace, clusterDomain: settings.clusterDomain, reportOf: (tenant, name) => this.#reports.get(reportKey(tenant, name)) }, this.#translate);
    const inputs = [file, ...(accesses?.objects ?? []).map(({ content }) => content), ...this.#compiled.map(({ compiled }) => compiled), JSON.stringify(backends.filter(({ discover }) => discover !== undefined)), ...looked];
    const same = known !== undefined && known.inputs.length === inputs.length && inputs.every((input, index) => input === known.inputs[index]);
    const kept = same ? { ...output, state: known.output.state } : output;
    this.#output = { inputs, output: kept };
    // Who has no statuses to write campaigns only where there is other work for one alone.
    if (hasSecrets(file) || kept.state.tenants.some(({ exports = [] }) => exports.length > 0) || kept.state.pushTargets?.some(({ groupTtl }) => groupTtl !== undefined) === true) this.#campaign ??= this.#startCampaign();
    return kept;
  }

  /** The same value for as long as the doors are the same. */
  #withDoors(given: DesiredState): DesiredState {
    const gateway = this.#doors.resolve(given.gateway);
    if (this.#opened?.given !== given || !isDeepStrictEqual(this.#opened.state.gateway, gateway)) this.#opened = { given, state: { ...given, gateway } };
    return this.#opened.state;
  }

  #accessObjects(): readonly KubeObject[] {
    return this.#accesses?.objects() ?? [];
  }

  #backends(file: DesiredState): NonNullable<DesiredState['backends']> {
    const own = this.#compiled.flatMap(({ compiled }) => (compiled.ok && compiled.value.entry.kind === 'backends' ? [compiled.value.entry.value] : []));
    // A name that is taken is the file's.
    return [...own, ...(file.backends ?? [])];
  }

  async #led(leading: boolean, left: string | undefined): Promise<void> {
    this.#writer?.setLeading(leading);
    // What another has said since, or left unsaid, is not known.
    this.#told = new WeakMap();
    this.#doorNews.clear();
    if (leading) this.#tell();
    await this.#options.onLeading(leading, left);
  }

  #tell(): void {
    // What is remembered may be no more, or have been told of since.
    if (this.#campaign?.leading() !== true || this.#objectsWaiting().length > 0) return;
    for (const { door, part, secrets, problem } of this.#doors.report()) this.#tellOfDoor(`${door}.${part}`, secrets[0], problem);
    for (const { kind, object, verdict, status } of this.#output?.output.sayings ?? []) {
      if (this.#told.get(object) === verdict) continue;
      this.#told.set(object, verdict);
      const patch = status(Date.now());
      if (patch !== undefined) this.#writer?.write(kind, object, patch);
    }
  }

  #tellOfDoor(what: string, secret: SecretName | undefined, problem: string | undefined): void {
    if (secret === undefined || this.#doorNews.get(what) === problem) return;
    if (problem === undefined) this.#doorNews.delete(what);
    else {
      this.#doorNews.set(what, problem);
      this.#writer?.tell(SECRET, secret, { reason: 'CertificateRefused', message: `for listeners.${what}: ${problem}; what was last good stays` });
    }
  }
}
