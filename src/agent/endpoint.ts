/**
 * One address, and the gateways behind it. Mostly that is one; behind a load balancer there are several, and which one a dial reaches
 * is for the balancer to say.
 *
 * The one idea: beside the links that are up there is at most one that seeks, and there is none when every gateway is known. How many
 * there are, the operator says (`expect`) or a gateway does; where nobody does, seeking goes on, ever more rarely. A gateway that is
 * met again says so (`tunnel_known`) and nothing else happens.
 */
import { createBackoff } from '../tunnel/backoff.js';
import type { BackoffOptions } from '../tunnel/backoff.js';
import type { Met } from './dial.js';
import { startLink } from './link.js';
import type { Link, LinkOptions } from './link.js';

/** While a gateway is known to be missing, it is looked for this often at least, ms. */
const MISSING_MAX_MS = 5_000;
export const PROBE: BackoffOptions = { baseMs: 500, maxMs: 300_000 };

export interface EndpointOptions extends Omit<LinkOptions, 'onUp' | 'onDown' | 'onKnown' | 'onLanes' | 'known'> {
  readonly probe: BackoffOptions;
  /** Gateways behind this address; undefined = as many as they say, or as can be found. */
  readonly expect: () => number | undefined;
  /** Ids of all gateways that any link but this one has a tunnel to. */
  readonly knownBut: (link: Link | undefined) => readonly string[];
  /** A link has come up: another one with the same gateway is of no use any more. */
  readonly onUp: (link: Link, id: string) => void;
  readonly onChange: () => void;
  /** Nothing has been said of more gateways, and no other address is configured: look for them. */
  readonly seeksUntold: () => boolean;
}

export interface Endpoint {
  readonly links: () => Iterable<Link>;
  /** Gateways that are known to be there and have no tunnel. */
  readonly missing: () => number;
  /** What is known elsewhere has changed. */
  review(): void;
  /** Finishes and forgets links that are of no use any more. */
  retire(isObsolete: (link: Link) => boolean): void;
  drain(): Promise<void>;
}

/** Starts dialling at once. */
export function startEndpoint(options: EndpointOptions): Endpoint {
  const links = new Set<Link>();
  const leaving = new Set<Promise<void>>();
  const probe = createBackoff(options.probe);
  let told: readonly string[] | undefined;
  /** The last dial met a gateway that another link has: this address may be another way to what is known. */
  let metAgain = false;
  let drained = false;

  const up = (): number => [...links].filter((link) => link.gatewayId() !== undefined).length;
  const missing = (): number => {
    const expect = options.expect();
    if (expect !== undefined) return Math.max(0, expect - up());
    if (told === undefined) return up() === 0 && !metAgain ? 1 : 0;
    const known = new Set(options.knownBut(undefined));
    return told.filter((id) => !known.has(id)).length;
  };
  const isSatisfied = (): boolean => {
    if (missing() > 0 || up() === 0) return false;
    return options.expect() !== undefined || told !== undefined || !options.seeksUntold();
  };
  const retire = (link: Link): void => {
    links.delete(link);
    const done: Promise<void> = link.drain().finally(() => leaving.delete(done));
    leaving.add(done);
  };
  /** `latest`, where it seeks, is the one to go on seeking: it may have a reason to dial at once. */
  const review = (latest?: Link): void => {
    if (drained) return;
    const seekers = [...links].filter((link) => link.gatewayId() === undefined);
    const wanted = isSatisfied() ? 0 : 1;
    const kept = seekers.find((link) => link === latest) ?? seekers[0];
    for (const link of seekers) if (wanted === 0 || link !== kept) retire(link);
    if (seekers.length < wanted) add();
  };
  const hear = ({ all }: Met): void => {
    if (all !== undefined) told = all;
  };
  const add = (): void => {
    const link: Link = startLink({
      ...options,
      known: () => options.knownBut(link),
      onLanes: options.onChange,
      onUp: (met) => {
        probe.reset();
        metAgain = false;
        hear(met);
        options.onUp(link, met.id);
        review();
        options.onChange();
      },
      onDown: () => {
        probe.reset();
        metAgain = false;
        // after this turn: the link must have its pause first
        queueMicrotask(() => review(links.has(link) ? link : undefined));
        options.onChange();
      },
      onKnown: (met) => {
        metAgain = true;
        if (met !== undefined) hear(met);
        queueMicrotask(() => review(link));
        return Math.min(probe.next(), missing() > 0 ? MISSING_MAX_MS : Infinity);
      },
    });
    links.add(link);
  };
  add();
  return {
    links: () => links,
    missing,
    review: () => review(),
    retire: (isObsolete) => {
      for (const link of links) if (isObsolete(link)) retire(link);
    },
    drain: async () => {
      drained = true;
      for (const link of links) retire(link);
      await Promise.all(leaving);
    },
  };
}
