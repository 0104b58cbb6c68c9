import { hash } from 'node:crypto';
import type { Target } from '../model/target.js';
import { SD_DOORS } from './groups.js';
import type { SdDoor } from './groups.js';

/**
 * The query of `/sd`: which door, and which part of what the tenant may scrape. Filters narrow; none widens.
 *
 * - `door=path|proxy|connect`
 * - `agent=NAME`, repeated: any of them
 * - `label=NAME=VALUE`, repeated: all of them
 * - `shard=I/N`: one of N parts; a target stays in its part as long as N stays
 */
export interface SdQuery {
  readonly door: SdDoor;
  matches(agent: string, target: Target): boolean;
}

const KEYS: ReadonlySet<string> = new Set(['door', 'agent', 'label', 'shard']);

/** Undefined: a query that we do not know must not give more than was meant. */
export function readSdQuery(query: URLSearchParams): SdQuery | undefined {
  if ([...query.keys()].some((key) => !KEYS.has(key)) || query.getAll('door').length > 1 || query.getAll('shard').length > 1) return undefined;
  const door = SD_DOORS.find((each) => each === (query.get('door') ?? 'path'));
  const labels = query.getAll('label').map((text) => /^([A-Za-z_]\w*)=(.*)$/s.exec(text));
  const shard = readShard(query.get('shard') ?? '0/1');
  if (door === undefined || shard === undefined) return undefined;
  const agents = new Set(query.getAll('agent'));
  const wanted: (readonly [string, string])[] = [];
  for (const label of labels) {
    if (label === null) return undefined;
    wanted.push([label[1] ?? '', label[2] ?? '']);
  }
  return {
    door,
    matches: (agent, target) =>
      (agents.size === 0 || agents.has(agent)) &&
      wanted.every(([name, value]) => (target.labels[name] ?? '') === value) &&
      (shard.count === 1 || shardOf(agent, target.name, shard.count) === shard.index),
  };
}

interface Shard {
  readonly index: number;
  readonly count: number;
}

const MAX_SHARDS = 10_000;

function readShard(text: string): Shard | undefined {
  const [, index, count] = /^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  return shard.count >= 1 && shard.count <= MAX_SHARDS && shard.index < shard.count ? shard : undefined;
}

/** By the names alone: labels come and go. */
function shardOf(agent: string, target: string, count: number): number {
  return Number.parseInt(hash('sha256', `${agent}/${target}`, 'hex').slice(0, 12), 16) % count;
}
