import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import { formatFault } from '../lib/result.js';
import type { Fault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import type { DesiredState } from '../model/desired-state.js';
import type { ExportReport } from '../model/export-report.js';
import type { KubernetesAccess } from '../model/kubernetes.js';
import { createKubeApi } from '../kube/api.js';
import { createDiscovery } from './discovery.js';
import type { Discovery } from './discovery.js';
import { kubeConfigOf } from '../kube/kube-config.js';
import { collectionPath, METRIC_ACCESS } from '../kube/kinds.js';
import { keepObject } from './kube-object.js';
import type { KubeObject } from './kube-object.js';
import { campaign } from './lease.js';
import type { Campaign } from './lease.js';
import { FIRST_LIST, listWatch } from '../kube/list-watch.js';
import { watchOwnObjects } from './own-objects.js';
import type { CompileEntry } from './own-objects.js';
import { createStatusWriter } from './status-writer.js';
import { combine } from './store.js';
import type { ClaimsOf, OwnObject, StoreOutput } from './store.js';
import { createTranslate } from './translate.js';

/**
 * A cluster as a source of the wanted state, beside the file. Watches say only that something has changed; then everything is worked
 * out anew from what is known, and what has not changed is remembered on the way. So there is one path for the first list, for each
 * change, for a file that was reloaded and for a cluster that came back.
 */
export interface KubernetesOptions {
  readonly settings: KubernetesSourceSettings;
  /** Of this gateway among those that read the same objects. */
  readonly identity: string;
  readonly compileEntry: CompileEntry;
  readonly claimsOf: ClaimsOf;
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
  readonly metricAccess: { readonly namespaces: readonly string[] | undefined; readonly withoutTerms: 'deny' | 'own-namespace' } | undefined;
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
  /** Lists that were not had yet, each with the reason; empty once all were had. */
  waitingFor(): readonly string[];
  /** Resolves when all lists were had for the first time, when one cannot be had now, or with the time. */
  synced(withinMs: number): Promise<void>;
  /** What became of the exports that objects ask for; told to their owners. */
  report(reports: readonly ExportReport[]): void;
  close(): Promise<void>;
}

/** Changes within it are one: a burst of thousands must not mean thousands of states. */
const GATHER_MS = 25;

/** Throws where the cluster cannot even be tried: no such kubeconfig, not in a pod. */
export function startKubernetes(options: KubernetesOptions): KubernetesSource {
  return new Source(options);
}

function reportKey(tenant: string, name: string): string {
  return JSON.stringify([tenant, name]);
}

class Source implements KubernetesSource {
  readonly #options: KubernetesOptions;
  readonly #api;
  readonly #accesses;
  readonly #own;
  readonly #discovery: Discovery;
  readonly #writer;
  readonly #startCampaign: () => Campaign;
  #campaign: Campaign | undefined;
  readonly #translate = createTranslate();
  readonly #metrics;
  readonly #synced = Promise.withResolvers<void>();
  /** The last verdict on each object that was said. */
  #told = new WeakMap<KubeObject, object>();
  #compiled: readonly OwnObject[] = [];
  #file: DesiredState | undefined;
  #apply: ((state: DesiredState) => readonly Fault[]) | undefined;
  #output: { readonly inputs: readonly unknown[]; readonly output: StoreOutput } | undefined;
  #gather: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  /** Whether the first lists have got where they should. */
  #inForce = false;
  #reports: ReadonlyMap<string, ExportReport> = new Map();

  constructor(options: KubernetesOptions) {
    this.#options = options;
    const { settings, identity, compileEntry, registry } = options;
    const logger = options.logger;
    const kubeConfig = kubeConfigOf(settings.access);
    const namespace = settings.namespace ?? kubeConfig.getContextObject(kubeConfig.getCurrentContext())?.namespace ?? 'default';
    this.#api = createKubeApi(kubeConfig);
    const shared = { api: this.#api, logger, onChange: () => this.#changed() };
    this.#accesses = settings.metricAccess && (settings.metricAccess.namespaces ?? [undefined]).map((each) => ({ namespace: each, watch: listWatch<KubeObject>({ ...shared, path: collectionPath(METRIC_ACCESS, each), keep: keepObject }) }));
    this.#own = settings.objects ? watchOwnObjects({ ...shared, namespace, compileEntry }) : undefined;
    this.#discovery = createDiscovery({ ...shared, clusterDomain: settings.clusterDomain });
    const says = settings.status && (settings.objects || settings.metricAccess !== undefined);
    this.#writer = says ? createStatusWriter({ api: this.#api, identity, logger }) : undefined;
    this.#startCampaign = () => campaign({ api: this.#api, namespace, name: settings.leaseName, identity, logger, onLeading: (leading, left) => this.#led(leading, left), leave: options.leave });
    if (says) this.#campaign = this.#startCampaign();
    this.#metrics = this.#register(registry);
    // With nothing to wait for, nothing else would say so.
    this.#changed();
  }

  stateFor(file: DesiredState): DesiredState {
    this.#file = file;
    this.#discovery.follow(this.#backends(file));
    return this.#combine(file).state;
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

  #missing(): readonly string[] {
    const accesses = (this.#accesses ?? []).flatMap(({ namespace, watch }) => (watch.waitingFor() === undefined ? [] : [`metricaccesses${namespace === undefined ? '' : ` of ${namespace}`}: ${watch.waitingFor() ?? ''}`]));
    return [...accesses, ...(this.#own?.waitingFor() ?? []), ...this.#discovery.waitingFor()];
  }

  async synced(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#synced.resolve(), withinMs);
    await this.#synced.promise;
    clearTimeout(timer);
  }

  report(reports: readonly ExportReport[]): void {
    this.#reports = new Map(reports.map((each) => [reportKey(each.tenant, each.name), each]));
    for (const { kind, object } of this.#output?.output.sayings ?? []) if (kind === METRIC_ACCESS) this.#told.delete(object);
    this.#tell();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#gather);
    await Promise.all([...(this.#accesses ?? []).map(({ watch }) => watch.close()), this.#own?.close(), this.#discovery.close(), this.#campaign?.close()]);
    await this.#running;
    await this.#writer?.close();
    this.#api.close();
  }

  #changed(): void {
    if (this.#closed || this.#gather !== undefined) return;
    this.#gather = setTimeout(() => {
      this.#gather = undefined;
      this.#running = this.#running.then(() => this.#update());
    }, GATHER_MS);
  }

  async #update(): Promise<void> {
    // A list that is not whole must not look like one from which most was deleted.
    if (this.#closed || this.#listsMissing()) {
      if (this.#missing().some((what) => !what.endsWith(FIRST_LIST))) this.#synced.resolve();
      return;
    }
    this.#compiled = (await this.#own?.compile()) ?? [];
    if (this.#file !== undefined) this.#discovery.follow(this.#backends(this.#file));
    if (this.#closed || this.#file === undefined) return;
    const before = this.#output?.output.state;
    const { state } = this.#combine(this.#file);
    if (state !== before) this.#take(state);
    this.#tell();
    this.#inForce = this.#missing().length === 0;
    if (this.#inForce) this.#synced.resolve();
  }

  #listsMissing(): boolean {
    return (this.#accesses ?? []).some(({ watch }) => watch.waitingFor() !== undefined) || (this.#own?.waitingFor().length ?? 0) > 0;
  }

  #take(state: DesiredState): void {
    const faults = this.#apply?.(state) ?? [];
    if (faults.length === 0) return;
    this.#metrics.refused.inc();
    this.#options.logger.error({ faults: faults.map((fault) => formatFault(fault)) }, 'what the objects make of the state cannot be taken; the last good one stays');
    // So that the next change is tried as a whole again.
    this.#output = undefined;
  }

  /** The same state, by identity, for as long as nothing but statuses has changed. */
  #combine(file: DesiredState): StoreOutput {
    const { settings, claimsOf } = this.#options;
    const accesses = settings.metricAccess && { objects: this.#accessObjects(), withoutTerms: settings.metricAccess.withoutTerms };
    const backends = this.#backends(file).map((backend) => this.#discovery.resolve(backend));
    const resolved = new Map(backends.map((backend) => [backend.name, backend]));
    const inputs = [file, ...(accesses?.objects ?? []).map(({ content }) => content), ...this.#compiled.map(({ compiled }) => compiled), JSON.stringify(backends.filter(({ discover }) => discover !== undefined))];
    const known = this.#output;
    const output = combine({ file, objects: this.#compiled, accesses, resolve: (backend) => resolved.get(backend.name) ?? backend, claimsOf, tenantFromNamespace: settings.tenantFromNamespace, clusterDomain: settings.clusterDomain, reportOf: (tenant, name) => this.#reports.get(reportKey(tenant, name)) }, this.#translate);
    const same = known !== undefined && known.inputs.length === inputs.length && inputs.every((input, index) => input === known.inputs[index]);
    const kept = same ? { ...output, state: known.output.state } : output;
    this.#output = { inputs, output: kept };
    // Who has no statuses to write campaigns only where there is other work for one alone.
    if (kept.state.tenants.some(({ exports = [] }) => exports.length > 0) || kept.state.pushTargets?.some(({ groupTtl }) => groupTtl !== undefined) === true) this.#campaign ??= this.#startCampaign();
    return kept;
  }

  #accessObjects(): readonly KubeObject[] {
    return (this.#accesses ?? []).flatMap(({ watch }) => [...watch.items().values()]);
  }

  #backends(file: DesiredState): NonNullable<DesiredState['backends']> {
    const own = this.#compiled.flatMap(({ compiled }) => (compiled.ok && compiled.value.entry.kind === 'backends' ? [compiled.value.entry.backend] : []));
    // A name that is taken is the file's.
    return [...own, ...(file.backends ?? [])];
  }

  async #led(leading: boolean, left: string | undefined): Promise<void> {
    this.#writer?.setLeading(leading);
    // What another has said since, or left unsaid, is not known.
    this.#told = new WeakMap();
    if (leading) this.#tell();
    await this.#options.onLeading(leading, left);
  }

  #tell(): void {
    if (this.#campaign?.leading() !== true || this.#listsMissing()) return;
    for (const { kind, object, verdict, status } of this.#output?.output.sayings ?? []) {
      if (this.#told.get(object) === verdict) continue;
      this.#told.set(object, verdict);
      const patch = status(Date.now());
      if (patch !== undefined) this.#writer?.write(kind, object, patch);
    }
  }

  #register(registry: Registry): { readonly refused: Counter } {
    const objects = new Gauge({
      name: 'scrapeway_kubernetes_objects',
      help: 'Objects that are watched, by kind; endpoints: those of discovered backends.',
      labelNames: ['kind'],
      registers: [registry],
      collect: () => {
        objects.set({ kind: 'MetricAccess' }, this.#accessObjects().length);
        for (const { kind, count } of this.#own?.counts() ?? []) objects.set({ kind: kind.kind }, count);
        objects.set({ kind: 'endpoints' }, this.#discovery.size());
      },
    });
    const leader: Gauge = new Gauge({ name: 'scrapeway_kubernetes_leader', help: '1 for the gateway that exports, and writes statuses and Events.', registers: [registry], collect: () => { leader.set(this.#campaign?.leading() === true ? 1 : 0); } });
    return { refused: new Counter({ name: 'scrapeway_kubernetes_refused_total', help: 'States made of objects that could not be taken as a whole; the last good one stayed.', registers: [registry] }) };
  }
}
