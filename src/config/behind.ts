import type { AgentService } from '../model/agent-service.js';
import { PROXY_SUFFIX } from '../model/names.js';
import type { Draft } from './draft.js';
import type { AgentServiceFile } from './gateway-file.js';
import { named, unknownName } from './references.js';
import type { Known } from './references.js';
import type { Path } from './yaml-source.js';

/**
 * A server that stands behind an agent. Everywhere else it has a URL like any other, one that no resolver knows, so that names, prefixes and
 * caches need not know the difference; only who dials does.
 */
export interface CompiledService {
  readonly agent: AgentService;
  /** Base URL, without a slash at its end. */
  readonly url: string;
}

/** `notBeside`: keys of the entry that say how *we* would dial, and that are of no use here. */
export function compileAgentService(draft: Draft, place: Path, file: AgentServiceFile, { known, notBeside }: { readonly known: Known; readonly notBeside: Readonly<Record<string, unknown>> }): CompiledService {
  const { name, service, path = '' } = file;
  const [agents, sites] = [named(known.agents), named(known.sites)];
  if (agents !== undefined && sites !== undefined && known.kubernetes === undefined && !agents.has(name) && !sites.has(name)) draft.fault([...place, 'agent', 'name'], unknownName('agent or site', name, [...agents.keys(), ...sites.keys()]));
  const site = [...(sites?.values() ?? [])].find(({ agents: members }) => Array.isArray(members) && members.includes(name));
  if (site !== undefined) draft.fault([...place, 'agent', 'name'], `"${name}" is a member of the site "${site.name}": name the site`);
  for (const [key, value] of Object.entries(notBeside)) if (value !== undefined) draft.fault([...place, key], 'stands beside `agent`, which does the dialling; what it needs for that is in its own file');
  return { agent: { agent: name, service }, url: `http://${service}.${name}${PROXY_SUFFIX}${path.replace(/\/+$/, '')}` };
}
