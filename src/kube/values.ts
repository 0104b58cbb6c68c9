/** Looking into objects of the API server, of which nothing is taken for granted. */

export function get(value: unknown, ...keys: readonly (string | number)[]): unknown {
  return keys.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined), value);
}

export function textAt(value: unknown, ...keys: readonly (string | number)[]): string | undefined {
  const found = get(value, ...keys);
  return typeof found === 'string' ? found : undefined;
}

export function listAt(value: unknown, ...keys: readonly (string | number)[]): readonly unknown[] {
  const found: unknown = get(value, ...keys);
  return Array.isArray(found) ? found : [];
}

/** Only the entries whose value is a text. */
export function textsAt(value: unknown, ...keys: readonly (string | number)[]): Readonly<Record<string, string>> {
  const found = get(value, ...keys);
  const entries = typeof found === 'object' && found !== null ? Object.entries(found) : [];
  return Object.fromEntries(entries.flatMap(([key, each]) => (typeof each === 'string' ? [[key, each] as const] : [])));
}
