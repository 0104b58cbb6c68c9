import type { Credential, Tenant } from '../model/desired-state.js';
import type { Draft } from './draft.js';
import type { GatewayFile } from './gateway-file.js';

/**
 * Service accounts as credentials. "The tenant is named like the namespace" is no rule of its own: it is one more credential of each
 * tenant that lists none of this kind. So what holds between credentials holds for it, and the decision knows nothing of it.
 */
export function compileServiceAccounts(draft: Draft, file: GatewayFile, tenants: readonly Tenant[]): readonly Tenant[] {
  const fromNamespace = draft.part(['kubernetes'], () => file.kubernetes?.tokenReview?.tenantFromNamespace) ?? false;
  const all = tenants.map((tenant) => (fromNamespace && !tenant.credentials.some(isServiceAccount) ? { ...tenant, credentials: [...tenant.credentials, ownNamespace(tenant.name)] } : tenant));
  checkOwners(draft, file, all);
  checkReview(draft, file);
  draft.part(['frontProxies'], () => checkEmpty(draft, file, all));
  return all;
}

function isServiceAccount(credential: Credential): credential is Extract<Credential, { kind: 'service-account' }> {
  return credential.kind === 'service-account';
}

function ownNamespace(tenant: string): Credential {
  return { kind: 'service-account', namespace: tenant, name: undefined };
}

/** A namespace that is one tenant's as a whole has no service account of another's in it: its token would name both. */
function checkOwners(draft: Draft, file: GatewayFile, tenants: readonly Tenant[]): void {
  const owners = new Map<string, string>();
  for (const { name, credentials } of tenants) for (const each of credentials.filter(isServiceAccount)) if (each.name === undefined && !owners.has(each.namespace)) owners.set(each.namespace, name);
  for (const { name, credentials } of tenants) {
    for (const { namespace } of credentials.filter(isServiceAccount)) {
      const owner = owners.get(namespace);
      if (owner !== undefined && owner !== name) draft.fault(['tenants', file.tenants.findIndex((tenant) => tenant.name === name), 'credentials'], `service accounts of the namespace "${namespace}" are the tenant "${owner}" and the tenant "${name}"; a request could not be told apart`);
    }
  }
}

function checkReview(draft: Draft, file: GatewayFile): void {
  if (file.kubernetes?.tokenReview !== undefined) return;
  for (const [index, { credentials }] of (draft.part(['tenants'], () => file.tenants) ?? []).entries()) {
    for (const [entry, { serviceAccount }] of credentials.entries()) {
      if (serviceAccount !== undefined) draft.fault(['tenants', index, 'credentials', entry, 'serviceAccount'], 'needs `kubernetes.tokenReview`: nobody could say whose a token is');
    }
  }
}

/** Nobody could ever be this tenant. */
function checkEmpty(draft: Draft, file: GatewayFile, tenants: readonly Tenant[]): void {
  if (file.frontProxies.some((proxy) => proxy.tenants === 'all')) return;
  const asserted = new Set(file.frontProxies.flatMap((proxy) => proxy.tenants));
  const known = new Map(tenants.map((tenant) => [tenant.name, tenant]));
  for (const [index, { name, credentials }] of (draft.part(['tenants'], () => file.tenants) ?? []).entries()) {
    const without = credentials.length === 0 && known.get(name)?.credentials.length === 0;
    if (without && !asserted.has(name)) draft.fault(['tenants', index, 'credentials'], 'must not be empty, unless a front proxy speaks for the tenant or `kubernetes.tokenReview.tenantFromNamespace` is set');
  }
}
