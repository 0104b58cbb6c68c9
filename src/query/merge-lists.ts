import { isObject, labelsOf, objectsOf, textOf } from './json.js';
import type { JsonObject } from './json.js';
import { compare, labelsKey } from './label-order.js';

/** What the members know besides samples: names, series, exemplars, metadata, rules. What several of them know is there once. */

/** `data` of the answers of one endpoint, in the members' order. */
export function mergeLists(path: string, data: readonly unknown[], limit: number): unknown {
  switch (path) {
    case '/api/v1/series':
      return cut(unique(data.flatMap(objectsOf), (series) => labelsKey(series)).sort((a, b) => compare(labelsKey(a), labelsKey(b))), limit);
    case '/api/v1/query_exemplars':
      return exemplars(data.flatMap(objectsOf));
    case '/api/v1/metadata':
      return metadata(data);
    case '/api/v1/rules':
      return { groups: groups(data.flatMap((one) => (isObject(one) ? objectsOf(one.groups) : []))) };
    default:
      return cut([...new Set(data.flatMap(texts))].sort(compare), limit);
  }
}

/** 0: no limit, as in Prometheus. */
function cut<T>(items: readonly T[], limit: number): readonly T[] {
  return limit === 0 ? items : items.slice(0, limit);
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.toReversed().map((item) => [key(item), item])).values()].toReversed();
}

function exemplars(items: readonly JsonObject[]): readonly JsonObject[] {
  const bySeries = Map.groupBy(items, ({ seriesLabels }) => labelsKey(labelsOf(seriesLabels) ?? {}));
  return [...bySeries].sort(([a], [b]) => compare(a, b)).map(([, same]) => ({
    seriesLabels: same[0]?.seriesLabels,
    exemplars: unique(same.flatMap((item) => objectsOf(item.exemplars)), (exemplar) => JSON.stringify(exemplar)).sort((a, b) => Number(a.timestamp) - Number(b.timestamp)),
  }));
}

function metadata(data: readonly unknown[]): JsonObject {
  const entries = data.flatMap((one) => (isObject(one) ? Object.entries(one) : []));
  const byName = Map.groupBy(entries, ([name]) => name);
  return Object.fromEntries([...byName].map(([name, same]) => [name, unique(same.flatMap(([, items]) => objectsOf(items)), (item) => JSON.stringify(item))]));
}

/** A group is known by file and name, which two sites may both have. */
function groups(items: readonly JsonObject[]): readonly JsonObject[] {
  const byName = Map.groupBy(items, ({ file, name }) => JSON.stringify([file, name]));
  return [...byName.values()].map((same) => ({ ...same[0], rules: same.flatMap(({ rules }) => objectsOf(rules)) }));
}
