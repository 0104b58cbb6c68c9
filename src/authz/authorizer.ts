import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import { whenReady } from '../lib/maybe-promise.js';
import type { MaybePromise } from '../lib/maybe-promise.js';
import type { DesiredState } from '../model/desired-state.js';
import type { Target } from '../model/target.js';
import { compilePolicy } from './compile.js';
import type { Policy } from './compile.js';
import { decide } from './decide.js';
import { identify } from './identity.js';
import { Inventory } from './inventory.js';
import { createPasswordChecker } from './password.js';
import type { PasswordChecker } from './password.js';
import { createServiceAccounts } from './service-accounts.js';
import type { ReviewToken } from '../model/kubernetes.js';
import type { Decision, Question } from './question.js';
import { readQuestion, writeDecision } from './wire.js';

/**
 * The ext_authz service without its transport: bytes of a CheckRequest in, bytes of a CheckResponse out, and the tables in
 * between that configuration and registrations replace. Whatever comes in, an answer goes out.
 */
export interface Authorizer {
  setState(state: DesiredState): void;
  /** undefined: what the agent offers is not known (any more). */
  setRegistration(agent: string, targets: readonly Target[] | undefined): void;
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
  let policy: Policy | undefined;

  function decideOn(question: Question): MaybePromise<Decision> {
    const asked = policy;
    if (asked === undefined) return { allow: false, reason: 'authz_starting', audit: { door: question.door } };
    const { limits, limitsOf, queriers, pushers } = asked;
    return whenReady(identify(asked, credentialChecks, question, wallMs()), (caller) =>
      // What was checked while the tables changed may be revoked: from the start, and this time the answer is remembered.
      asked === policy ? decide(question, caller, { inventory, limits, limitsOf, queriers, pushers }) : decideOn(question),
    );
  }

  function answer(request: Buffer): MaybePromise<Decision> {
    const read = readQuestion(request);
    return read.ok ? decideOn(read.value) : { allow: false, reason: 'malformed_request', audit: { door: 'none' } };
  }

  function record(decision: Decision, startMs: number): Buffer {
    const { door } = decision.audit;
    checks.inc(decision.allow ? { door, decision: 'allow', reason: '' } : { door, decision: 'deny', reason: decision.reason });
    duration.observe((performance.now() - startMs) / 1000);
    return writeDecision(decision);
  }

  return {
    setState(state) {
      policy = compilePolicy(state);
      inventory.setRights(policy.rights, policy.sites);
      serviceAccounts?.configure(state.gateway.tokenReview);
    },
    setRegistration: (agent, targets) => inventory.register(agent, targets),
    check(request) {
      const startMs = performance.now();
      return whenReady(answer(request), (decision) => record(decision, startMs));
    },
  };
}
