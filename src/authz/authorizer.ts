import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { whenReady } from '../lib/maybe-promise.js';
import type { MaybePromise } from '../lib/maybe-promise.js';
import type { DesiredState } from '../model/desired-state.js';
import type { Target } from '../model/target.js';
import { compilePolicy } from './compile.js';
import type { KnownCredential, Policy } from './compile.js';
import { decide } from './decide.js';
import { identify } from './identity.js';
import type { Caller } from './identity.js';
import { Inventory } from './inventory.js';
import type { Entry } from './inventory.js';
import { createKnownAnswers } from './known-answers.js';
import { createPasswordChecker } from '../credentials/password.js';
import type { PasswordChecker } from '../credentials/password.js';
import { DOORS } from './question.js';
import type { Decision, Question } from './question.js';
import { createServiceAccounts } from './service-accounts.js';
import type { ReviewToken } from '../model/kubernetes.js';
import { readQuestion, writeDecision } from './wire.js';

/**
 * The ext_authz service without its transport: bytes of a CheckRequest in, bytes of a CheckResponse out, and the tables in
 * between that configuration and registrations replace. Whatever comes in, an answer goes out.
 */
export interface Authorizer {
  setState(state: DesiredState): void;
  /** undefined: what the agent offers is not known (any more). */
  setRegistration(agent: string, targets: readonly Target[] | undefined): void;
  /** Whether a caller who was let through to a target by these credentials (ids, parted by spaces; and until when, where a token was shown) would be let through now. What is not known yet counts for him. */
  mayStay(caller: { readonly tenant: string; readonly credentials: string; readonly untilMs?: number | undefined }, agent: string, target: string): boolean;
  /** At once, except where a password or a token has to be checked for the first time. Neither throws nor rejects. */
  check(request: Buffer): MaybePromise<Buffer>;
}

export interface AuthorizerOptions {
  readonly registry: Registry;
  /** Default: bcrypt with the bounds of `password.ts`. */
  readonly passwords?: PasswordChecker;
  /** Asks the cluster's API server; without it there are no tokens of service accounts. */
  readonly reviewToken?: ReviewToken;
  /** Wall clock, ms since the epoch: credentials expire by it. Default: the system's. */
  readonly wallMs?: () => number;
}

const SECOND_BUCKETS = [0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 0.5, 1, 5];

export function createAuthorizer({ registry, passwords = createPasswordChecker(), reviewToken, wallMs = Date.now }: AuthorizerOptions): Authorizer {
  const checks = new Counter({
    name: 'scrapeway_authz_checks_total',
    help: 'Decisions of the ext_authz service, by door, decision and reason (empty when allowed).',
    labelNames: ['door', 'decision', 'reason'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'scrapeway_authz_check_duration_seconds',
    help: 'Time from a question of Envoy to the answer, the checking of passwords included.',
    buckets: SECOND_BUCKETS,
    registers: [registry],
  });
  const serviceAccounts = reviewToken && createServiceAccounts({ ask: reviewToken, wallMs });
  const credentialChecks = { passwords, serviceAccounts };
  const inventory = new Inventory();
  const known = createKnownAnswers(() => performance.now());
  const allowed = new Map(DOORS.map((door) => [door, checks.labels({ door, decision: 'allow', reason: '' })]));
  let policy: Policy | undefined;

  function decideOn(question: Question): MaybePromise<Decided> {
    const asked = policy;
    if (asked === undefined) return decided({ allow: false, reason: 'authz_starting', audit: { door: question.door } });
    const { limits, limitsOf, queriers, pushers } = asked;
    return whenReady(identify(asked, credentialChecks, question, wallMs()), (caller) =>
      // What was checked while the tables changed may be revoked: from the start, and this time the answer is remembered.
      asked === policy ? { decision: decide(question, caller, { inventory, limits, limitsOf, queriers, pushers }), lasts: isLasting(caller) } : decideOn(question),
    );
  }

  function record({ audit: { door }, ...decision }: Decision): void {
    if (decision.allow) allowed.get(door)?.inc();
    else checks.inc({ door, decision: 'deny', reason: decision.reason });
  }

  /** The answer, before its time is taken. */
  function answer(request: Buffer): MaybePromise<Buffer> {
    const read = readQuestion(request);
    const key = read.ok ? known.keyOf(read.value) : undefined;
    const before = key === undefined ? undefined : known.get(key);
    if (before !== undefined && read.ok) {
      allowed.get(read.value.door)?.inc();
      return before;
    }
    const { epoch } = known;
    return whenReady(read.ok ? decideOn(read.value) : decided({ allow: false, reason: 'malformed_request', audit: { door: 'none' } }), ({ decision, lasts }) => {
      record(decision);
      const bytes = writeDecision(decision);
      if (key !== undefined && lasts && decision.allow) known.keep(key, bytes, epoch);
      return bytes;
    });
  }

  function timed(bytes: Buffer, startMs: number): Buffer {
    duration.observe((performance.now() - startMs) / 1000);
    return bytes;
  }

  return {
    setState(state) {
      policy = compilePolicy(state);
      inventory.setRights(policy.rights, policy.sites);
      serviceAccounts?.configure(state.gateway.tokenReview);
      known.forget();
    },
    setRegistration(agent, targets) {
      inventory.register(agent, targets);
      known.forget();
    },
    mayStay({ tenant, credentials, untilMs = Infinity }, agent, target) {
      if (untilMs <= wallMs()) return false;
      if (policy === undefined) return true;
      const finding = inventory.view(tenant)?.find(agent, target) ?? { kind: 'none' };
      if (finding.kind !== 'granted') return finding.kind === 'unknown_yet';
      return credentials.split(' ').every((id) => isGoodFor(policy?.credentialsById.get(id), finding.entry, wallMs()));
    },
    check(request) {
      const startMs = performance.now();
      return whenReady(answer(request), (bytes) => timed(bytes, startMs));
    },
  };
}

/** Of one that is not listed, nothing is known that could be over; what is listed no more, the hub has cut off (hub/tenancy.ts). */
function isGoodFor(credential: KnownCredential | undefined, { agent, target }: Entry, nowMs: number): boolean {
  if (credential === undefined) return true;
  return (credential.expiresMs ?? Infinity) > nowMs && (credential.covers?.(agent, target) ?? true);
}

interface Decided {
  readonly decision: Decision;
  /** The same question is decided the same until a table changes. */
  readonly lasts: boolean;
}

function decided(decision: Decision): Decided {
  return { decision, lasts: false };
}

/** What is listed in the configuration, until it ends. Tokens are somebody else's to end: an issuer's, a cluster's. */
const LISTED: ReadonlySet<string> = new Set<KnownCredential['method']>(['certificate', 'basic', 'bearer', 'front-proxy']);

function isLasting(caller: Caller): boolean {
  return caller.kind === 'tenant' && caller.credentials.every(({ method, expiresMs }) => LISTED.has(method) && expiresMs === undefined);
}
