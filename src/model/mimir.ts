import type { Backend } from './desired-state.js';

/** Whose data a Mimir is asked for: its own tenants, by the header that we send it. */
export function mimirTenants({ headers = {} }: Pick<Backend, 'headers'>): readonly string[] {
  const [, value = ''] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'x-scope-orgid') ?? [];
  return value.split('|').filter((tenant) => tenant !== '');
}
