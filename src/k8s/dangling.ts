import type { Fault } from '../lib/result.js';
import type { DesiredState, Tenant } from '../model/desired-state.js';
import type { Entry } from '../model/entry.js';

/**
 * References of an entry to what is not there: warnings, since objects come and go in any order. A site or a group whose members are
 * not all there, or do not go together, is not there itself.
 */
export function dangling({ gateway, tenants, agents, sites = [], backends = [], backendGroups = [], pushTargets = [], exportDestinations = [] }: DesiredState): (entry: Entry) => readonly Fault[] {
  const names = (items: readonly { readonly name: string }[]): ReadonlySet<string> => new Set(items.map(({ name }) => name));
  const missing = (what: string, place: string, wanted: readonly string[], known: ReadonlySet<string>): readonly Fault[] =>
    wanted.filter((name) => !known.has(name)).map((name) => ({ place, message: `no ${what} has the name "${name}"` }));
  const [tenantNames, backendNames, pushNames] = [names(tenants), names([...backends, ...backendGroups]), names(pushTargets)];
  const [agentNames, issuerNames] = [names([...agents, ...sites]), names(gateway.issuers ?? [])];
  const served = new Map(agents.map((agent) => [agent.name, JSON.stringify([...new Set(agent.tenants)].toSorted())]));
  const apis = new Map(backends.map((backend) => [backend.name, backend.api]));

  const ofTenant = ({ credentials, scrape, query = [], push = [], metricAccess }: Tenant): readonly Fault[] => [
    ...credentials.flatMap((each, index) => (each.kind === 'jwt' ? missing('token issuer', `spec.credentials[${index}].jwt.issuer`, [each.issuer], issuerNames) : [])),
    ...scrape.flatMap((grant, index) => missing('agent', `spec.scrape[${index}].agents`, grant.agents ?? [], agentNames)),
    ...query.flatMap((grant, index) => missing('backend', `spec.query[${index}].backends`, grant.backends ?? [], backendNames)),
    ...(metricAccess?.within ?? []).flatMap((grant, index) => missing('backend', `spec.metricAccess.within[${index}].backends`, grant.backends ?? [], backendNames)),
    ...missing('backend', 'spec.metricAccess.exports.backend', metricAccess?.exports === undefined ? [] : [metricAccess.exports.backend], backendNames),
    ...missing('export destination', 'spec.metricAccess.exports.destinations', metricAccess?.exports?.destinations ?? [], names(exportDestinations)),
    ...missing('push target', 'spec.push', push, pushNames),
  ];

  return (entry) => {
    switch (entry.kind) {
      case 'tenants':
        return ofTenant(entry.value);
      case 'agents':
      case 'templates':
        return missing('tenant', 'spec.tenants', entry.value.tenants, tenantNames);
      case 'frontProxies':
        return entry.value.tenants === 'all' ? [] : missing('tenant', 'spec.tenants', entry.value.tenants, tenantNames);
      case 'sites': {
        const { agents: members } = entry.value;
        const others = members.filter((name) => served.has(name) && served.get(name) !== served.get(members[0] ?? ''));
        return [...missing('agent', 'spec.agents', members, new Set(served.keys())), ...others.map((name) => ({ place: 'spec.agents', message: `the agent "${name}" serves other tenants than the first; all members of a site must serve the same` }))];
      }
      case 'backendGroups': {
        const { members } = entry.value;
        const alertmanagers = members.filter((name) => apis.get(name) === 'alertmanager');
        return [...missing('backend', 'spec.members', members, new Set(apis.keys())), ...alertmanagers.map((name) => ({ place: 'spec.members', message: `"${name}" is an Alertmanager, and groups are of Prometheus servers` }))];
      }
      case 'issuers':
      case 'backends':
      case 'pushTargets':
      case 'exportDestinations':
      case 'revoked':
        return [];
    }
  };
}
