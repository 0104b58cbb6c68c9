import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { ServiceFailure } from '../behind/dispatcher.js';
import type { Logger } from '../lib/logger.js';
import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { BackendGroup, DesiredState, QueryLimits } from '../model/desired-state.js';
import type { SharedCacheOptions } from '../model/shared-cache.js';
import { asked, NO_CONTENT } from './asked.js';
import type { Asked } from './asked.js';
import { jsonOf } from './backend-error.js';
import { DRY_RUN_HEADER, isDryRun, tryOut } from './dry-run.js';
import type { Endpoint, Plan, Question, ReadAnswer, ReadPlan, UpstreamRequest } from './endpoint.js';
import { Gate } from './gate.js';
import { answerOfGroup } from './group-answer.js';
import type { Member } from './gather.js';
import { isObject } from './json.js';
import { RangeCache, rangeQuestion } from './range-cache.js';
import type { RangeCacheOptions, RangeQuestion } from './range-cache.js';
import { SharedCache } from './shared-cache.js';
import type { View } from './grants.js';
import { registerCacheMetrics, registerQueryMetrics, registerSharedCacheMetrics } from './metrics.js';
import type { Outcome } from './metrics.js';
import { withPolicies } from './policies.js';
import { jsonReply, refusalReply, refuse, successReply } from './refusal.js';
import type { Refusal, Reply } from './refusal.js';
import type { Limits } from './limits.js';
import { readAll, readRequest, TooLarge } from './reading.js';
import { readReply, upstreamRead } from './remote-read/reply.js';
import type { StreamedReply } from './remote-read/reply.js';
import { askGroupRead } from './remote-read/united.js';
import { askRemembered } from './remembered.js';
import { routeOf } from './route.js';
import type { Route } from './route.js';
import { QueryState } from './state.js';
import type { Found } from './state.js';
import { BackendAway } from './upstream.js';
import type { UpstreamAnswer, WayToBackend } from './upstream.js';

/**
 * The query door: a request whose caller is known comes in, the pure part makes a plan of it, and the plan's answer goes out, as a
 * stream wherever nothing has to be taken from it.
 */

export interface QueryServiceOptions {
  readonly logger: Logger;
  readonly registry: Registry;
  /** For tenants that have none of their own. */
  readonly limits?: QueryLimits;
  /** To backends. */
  readonly wayTo: WayToBackend;
  /** Keeps the settled part of range queries' answers; without it, none is kept. */
  readonly cache?: Omit<RangeCacheOptions, 'shared'> & { readonly shared?: SharedCacheOptions | undefined };
}

export interface QueryService {
  setState(state: DesiredState): void;
  /** Resolves when nothing is asked any more of backends as they were before the last state. */
  settled(): Promise<void>;
  /** `/query/<backend>/…`, of a tenant that has been authenticated, until `ended` aborts: then it is let in no more. Never rejects: every failure is an answer. */
  handle(request: IncomingMessage, response: ServerResponse, who: { readonly tenant: string; readonly ended?: AbortSignal }): Promise<void>;
  close(): Promise<void>;
}

/** For each place, so many may wait. */
const LINE_PER_PLACE = 4;
/** The tenant's time is up; the reason of the abort signal. */
class TimeIsUp extends Error {}
class CallerGone extends Error {}
class RightsChanged extends Error {}
class LetInNoMore extends Error {}

const NEVER = new AbortController().signal;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly tenant: string;
  readonly ended: AbortSignal;
  readonly route: Route | undefined;
}

export function createQueryService(options: QueryServiceOptions): QueryService {
  return new Service(options);
}

class Service implements QueryService {
  readonly #logger: Logger;
  readonly #state: QueryState;
  readonly #gates = new Map<string, Gate>();
  readonly #shared: SharedCache | undefined;
  readonly #cache: RangeCache | undefined;
  readonly #running = new Set<Running>();
  readonly #metrics;

  constructor({ logger, registry, limits, cache, wayTo }: QueryServiceOptions) {
    this.#logger = logger;
    this.#shared = cache?.shared === undefined ? undefined : new SharedCache(cache.shared, logger);
    this.#cache = cache === undefined ? undefined : new RangeCache({ ...cache, shared: this.#shared });
    this.#state = new QueryState(logger, limits, wayTo);
    const sum = (read: (gate: Gate) => number) => (): number => [...this.#gates.values()].reduce((total, gate) => total + read(gate), 0);
    this.#metrics = registerQueryMetrics(registry, { running: sum(({ running }) => running), waiting: sum(({ waiting }) => waiting), backendFailures: () => this.#state.backendFailures, dryRuns: () => this.#state.dryRuns(Date.now()).length });
    if (this.#cache !== undefined) registerCacheMetrics(registry, this.#cache);
    if (this.#shared !== undefined) registerSharedCacheMetrics(registry, this.#shared);
  }

  setState(state: DesiredState): void {
    this.#state.set(state);
    const names = new Set(state.tenants.map(({ name }) => name));
    for (const name of this.#gates.keys()) if (!names.has(name)) this.#gates.delete(name);
    for (const { tenant, backend, view, abort } of this.#running) {
      if (rightsOf(this.#state.view(tenant, backend)?.view) !== rightsOf(view)) abort.abort(new RightsChanged());
    }
  }

  settled(): Promise<void> {
    return this.#state.settled();
  }

  async close(): Promise<void> {
    this.#shared?.close();
    await this.#state.close();
  }

  async handle(request: IncomingMessage, response: ServerResponse, { tenant, ended = NEVER }: { readonly tenant: string; readonly ended?: AbortSignal }): Promise<void> {
    const started = performance.now();
    // A write in the moment in which the caller goes is an error event; that it has gone is seen by 'close'.
    response.on('error', () => {});
    const route = routeOf(request.url ?? '', request.method);
    const outcome = await this.#outcome({ request, response, tenant, ended, route });
    this.#metrics.count(route?.endpoint?.path ?? 'none', outcome, (performance.now() - started) / 1000);
  }

  async #outcome(exchange: Exchange): Promise<Outcome> {
    const { response, tenant, route } = exchange;
    try {
      return await this.#serve(exchange);
    } catch (error) {
      const refusal = failureOf(error);
      if (refusal === undefined || (response.destroyed && !response.headersSent)) return 'cancelled';
      if (refusal.reason === 'query_backend_failed') this.#logger.warn({ tenant, backend: route?.backend, err: error }, 'query failed');
      if (!response.headersSent) return this.#refused(exchange, refusal);
      // Never a clean end of half an answer.
      this.#logger.info({ tenant, backend: route?.backend, endpoint: route?.endpoint?.path, ...refusal }, 'answer broken off');
      response.destroy();
      return 'broken';
    }
  }

  async #serve(exchange: Exchange): Promise<Outcome> {
    const { request, response, tenant, route } = exchange;
    if (route === undefined) return this.#refused(exchange, { reason: 'query_no_endpoint', detail: undefined });
    const { backend, endpoint, segment } = route;
    const before = this.#state.view(tenant, backend);
    const asking = before === undefined ? refuse('query_no_backend') : await readRequest(request, route, before.view.limits);
    if (!asking.ok) return this.#refused(exchange, asking.error);
    // The body may have taken its time: what counts are the rights of now.
    const found = this.#state.view(tenant, backend);
    if (found === undefined || endpoint === undefined) return this.#refused(exchange, { reason: 'query_no_backend', detail: undefined });
    const { view } = found;
    if (endpoint.api !== undefined && endpoint.api !== view.api) return this.#refused(exchange, { reason: 'query_no_endpoint', detail: undefined });
    const plan = this.#plan(exchange, endpoint, { ...view, ...asking.value, segment });
    if (!plan.ok) return this.#refused(exchange, plan.error);
    if (plan.value.kind === 'answer') return send(response, plan.value.reply, 'answered');
    return this.#run(exchange, plan.value, { ...found, tenant, backend });
  }

  #plan({ response, tenant, route }: Exchange, endpoint: Endpoint, question: Question): Result<Plan, Refusal> {
    const planned = endpoint.plan(question);
    const enforced = planned.ok ? withPolicies(planned.value, question) : planned;
    const trial = isDryRun(question, Date.now()) ? tryOut(endpoint, question, enforced) : undefined;
    if (trial === undefined) return enforced;
    const { would, plan, ...texts } = trial;
    this.#metrics.dryRun(would);
    response.setHeader(DRY_RUN_HEADER, would);
    if (would !== 'unchanged') this.#logger.warn({ tenant, backend: route?.backend, endpoint: endpoint.path, would, ...texts }, 'dry run: passed on without rules');
    return ok(plan);
  }

  /** Within the tenant's places and time, for as long as the caller is there and the rights stay what they are. */
  async #run(exchange: Exchange, plan: UpstreamPlan, { tenant, backend, view, upstream, members }: Found & { readonly tenant: string; readonly backend: string }): Promise<Outcome> {
    const { response, ended } = exchange;
    const { limits } = view;
    const abort = new AbortController();
    const running: Running = { tenant, backend, view, abort };
    this.#running.add(running);
    const releases = members.map((member) => member.upstream.hold());
    const timer = setTimeout(() => abort.abort(new TimeIsUp()), limits.timeoutMs);
    const gone = (): void => abort.abort(new CallerGone());
    response.once('close', gone);
    const end = (): void => abort.abort(new LetInNoMore());
    ended.addEventListener('abort', end);
    let leave: (() => void) | undefined;
    try {
      if (response.destroyed) gone();
      if (ended.aborted) end();
      abort.signal.throwIfAborted();
      leave = await this.#gate(tenant).enter(limits.maxConcurrent, limits.maxConcurrent * LINE_PER_PLACE, abort.signal);
      if (leave === undefined) return this.#refused(exchange, { reason: 'query_busy', detail: undefined });
      return await this.#ask(exchange, plan, { upstream, limits, signal: abort.signal, members, group: view.group });
    } catch (error) {
      // What was waited for says in many ways that it was aborted.
      throw abort.signal.aborted ? abort.signal.reason : error;
    } finally {
      leave?.();
      clearTimeout(timer);
      response.removeListener('close', gone);
      ended.removeEventListener('abort', end);
      this.#running.delete(running);
      for (const release of releases) release();
    }
  }

  async #ask(exchange: Exchange, plan: UpstreamPlan, asking: Asking): Promise<Outcome> {
    const { response } = exchange;
    if (asking.group !== undefined) return this.#askGroup(exchange, plan, { ...asking, group: asking.group });
    switch (plan.kind) {
      case 'evaluate':
        throw new TypeError('only a group is asked in parts');
      case 'talk':
        return this.#talk(exchange, plan.next, asking);
      case 'read':
        return this.#read(exchange, plan, asking);
      case 'forward': {
        const question = this.#cache === undefined ? undefined : rangeQuestion(plan.request, exchange.tenant, asking.upstream.identity);
        if (this.#cache !== undefined && question !== undefined) return this.#remembered(exchange, plan.request, { question, cache: this.#cache, asking });
        const answer = await asked(plan.request, asking);
        if (!answer.ok) return this.#notAnswered(exchange, answer.error);
        return this.#forward(response, answer.value, plan.contentType, asking);
      }
      case 'filter': {
        const data: unknown[] = [];
        for (const request of plan.requests) {
          const answer = await asked(request, asking);
          if (!answer.ok) return this.#notAnswered(exchange, answer.error);
          const value = jsonOf(await readAll(answer.value.body, asking.limits.maxResponseBytes));
          if (!isObject(value) || value.status !== 'success') throw new Error('not an answer of the API');
          data.push(value.data);
        }
        return send(response, successReply(plan.filter(data)), 'answered');
      }
    }
  }

  async #askGroup(exchange: Exchange, plan: UpstreamPlan, asking: Asking & { readonly group: BackendGroup }): Promise<Outcome> {
    const { group, limits, signal } = asking;
    if (plan.kind === 'talk') return this.#refused(exchange, { reason: 'query_not_distributable', detail: undefined });
    if (plan.kind === 'read') {
      const read = await askGroupRead(plan, group, asking);
      return read.ok ? this.#pieces(exchange.response, read.value, limits, signal) : this.#notAnswered(exchange, read.error);
    }
    const memory = this.#cache && { cache: this.#cache, tenant: exchange.tenant };
    const answer = await answerOfGroup(plan, group, { ...asking, memory });
    if (!answer.ok) return this.#notAnswered(exchange, answer.error);
    this.#metrics.bytes(Buffer.byteLength(answer.value.body));
    return send(exchange.response, answer.value, 'answered');
  }

  /** A refusal of ours, or what the backend says is wrong. */
  #notAnswered(exchange: Exchange, error: Reply | Refusal): Outcome {
    return 'reason' in error ? this.#refused(exchange, error) : send(exchange.response, error, 'backend_error');
  }

  /** One question after the other, until there is a reply. */
  async #talk(exchange: Exchange, next: TalkPlan['next'], { upstream, limits, signal }: Asking): Promise<Outcome> {
    const answers: ReadAnswer[] = [];
    for (;;) {
      const turn = next(answers);
      if (!turn.ok) return this.#refused(exchange, turn.error);
      if ('reply' in turn.value) return send(exchange.response, turn.value.reply, 'answered');
      const { status, body } = await upstream.ask(turn.value.ask, signal);
      if (status >= 500) {
        body.destroy();
        throw new Error(`the backend answered ${status}`);
      }
      answers.push({ status, value: jsonOf(await readAll(body, limits.maxResponseBytes)) });
    }
  }

  /** The settled beginning from the cache, only the rest from the backend. */
  async #remembered(exchange: Exchange, request: UpstreamRequest, { question, cache, asking }: { readonly question: RangeQuestion; readonly cache: RangeCache; readonly asking: Asking }): Promise<Outcome> {
    const { response } = exchange;
    const answer = await askRemembered(request, question, cache, asking, asking.limits.maxResponseBytes);
    if (!answer.ok) return this.#notAnswered(exchange, answer.error);
    const { text, bytes, said } = answer.value;
    this.#metrics.bytes(bytes);
    const notes = Object.entries({ warnings: said.warnings, infos: said.infos }).filter(([, texts]) => texts.length > 0);
    return send(response, jsonReply(text ?? JSON.stringify({ status: 'success', data: said.data, ...Object.fromEntries(notes) })), 'answered');
  }

  async #forward(response: ServerResponse, answer: UpstreamAnswer, contentType: string, { limits, signal }: Asking): Promise<Outcome> {
    const [expected = ''] = contentType.split(';');
    const { length = 0, body } = answer;
    if (answer.status === NO_CONTENT) {
      response.writeHead(NO_CONTENT).end();
      return 'answered';
    }
    if (!answer.contentType.startsWith(expected) || length > limits.maxResponseBytes) {
      body.destroy();
      throw length > limits.maxResponseBytes ? new TooLarge() : new Error(`not an answer of the API: ${answer.contentType}`);
    }
    return this.#pieces(response, { headers: { 'content-type': answer.contentType, ...(answer.length === undefined ? {} : { 'content-length': answer.length }) }, pieces: body }, limits, signal);
  }

  /** A remote read, merged and held to the policy as it passes. */
  async #read(exchange: Exchange, plan: ReadPlan, asking: Asking): Promise<Outcome> {
    const request = await upstreamRead(plan);
    const answer = request === undefined ? ok(undefined) : await asked(request, asking);
    if (!answer.ok) return this.#notAnswered(exchange, answer.error);
    return this.#pieces(exchange.response, await readReply(plan, answer.value, asking.limits.maxResponseBytes), asking.limits, asking.signal);
  }

  async #pieces(response: ServerResponse, { headers, pieces }: StreamedReply, limits: Limits, signal: AbortSignal): Promise<Outcome> {
    response.writeHead(200, headers);
    let bytes = 0;
    for await (const chunk of pieces) {
      bytes += Buffer.byteLength(chunk);
      if (bytes > limits.maxResponseBytes) throw new TooLarge();
      this.#metrics.bytes(Buffer.byteLength(chunk));
      if (!response.write(chunk)) await once(response, 'drain', { signal });
    }
    response.end();
    return 'answered';
  }

  #gate(tenant: string): Gate {
    const existing = this.#gates.get(tenant);
    if (existing !== undefined) return existing;
    const gate = new Gate();
    this.#gates.set(tenant, gate);
    return gate;
  }

  #refused({ request, response, tenant, route }: Exchange, refusal: Refusal): Outcome {
    this.#logger.info({ tenant, backend: route?.backend, endpoint: route?.endpoint?.path, ...refusal }, 'query refused');
    // What is left of the body is not read, so the connection cannot be used again.
    if (!request.complete) response.setHeader('connection', 'close');
    if (refusal.reason === 'query_method') response.setHeader('allow', route?.methods.join(', ') ?? '');
    return send(response, refusalReply(refusal), refusal.reason);
  }
}

type UpstreamPlan = Exclude<Plan, { kind: 'answer' }>;
type TalkPlan = Extract<Plan, { kind: 'talk' }>;

interface Running {
  readonly tenant: string;
  readonly backend: string;
  readonly view: View;
  readonly abort: AbortController;
}

/** Equal where the rules are, and where they hold. */
function rightsOf(view: View | undefined): string {
  return view === undefined ? '' : JSON.stringify([view.ruleNames, view.group, view.dryRunUntilMs]);
}

interface Asking extends Asked {
  readonly members: readonly Member[];
  readonly group: BackendGroup | undefined;
}

function send(response: ServerResponse, { status, headers, body }: Reply, outcome: Outcome): Outcome {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
  return outcome;
}

/** Undefined: nobody is there to be told. */
function failureOf(error: unknown): Refusal | undefined {
  if (error instanceof CallerGone) return undefined;
  if (error instanceof TimeIsUp) return { reason: 'query_timeout', detail: undefined };
  if (error instanceof RightsChanged) return { reason: 'query_no_backend', detail: "the tenant's rules have just changed" };
  if (error instanceof LetInNoMore) return { reason: 'revoked', detail: undefined };
  if (error instanceof TooLarge) return { reason: 'query_over_limit', detail: 'the answer is too large' };
  if (!(error instanceof BackendAway)) return { reason: 'query_backend_failed', detail: undefined };
  // Of what is behind an agent it is known what is the matter, and that says nothing of anybody's data.
  const { cause } = error;
  if (!(cause instanceof ServiceFailure)) return { reason: 'query_backend_away', detail: undefined };
  return { reason: cause.isTimeout ? 'query_timeout' : 'query_backend_away', detail: cause.message };
}
