import type { FrontProxy, Template, TemplateLimits, Tenant } from '../model/desired-state.js';
import { withTemplateGrants } from '../model/grants.js';
import { compileSan } from './credentials.js';
import type { Draft } from './draft.js';
import type { GatewayFile, TemplateFile, TemplateLimitsFile } from './gateway-file.js';
import { createClaims, named, unknownName } from './references.js';
import type { Known } from './references.js';
import { compileSelectorText } from './tenants.js';
import { parseSize } from './units.js';
import type { Path } from './yaml-source.js';

/**
 * What holds across tenants: templates, and proxies that speak for tenants.
 *
 * A template is no new kind of right: it is a grant in the list of each of its tenants, named after it, a hint for http_sd, and limits
 * (`model/target-limits.ts`).
 */
export interface CompiledTemplates {
  readonly templates: readonly Template[];
  /** Tenants with the templates' grants behind their own. */
  readonly tenants: readonly Tenant[];
}

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

export async function compileTemplates(draft: Draft, file: Pick<GatewayFile, 'templates'> & Known, tenants: readonly Tenant[]): Promise<CompiledTemplates> {
  const templates = await compileTemplateList(draft, file);
  return { templates, tenants: withTemplateGrants(tenants, templates) };
}

export async function compileTemplateList(draft: Draft, file: Pick<GatewayFile, 'templates'> & Known): Promise<Template[]> {
  const claim = createClaims(draft);
  return draft.list(['templates'], () => file.templates, (template, place) => {
    claim(template.name, [...place, 'name'], (first) => `the template name "${template.name}" is taken by ${first}`);
    const selector = compileSelectorText(draft, [...place, 'selector'], template.selector);
    checkTenants(draft, place, { names: template.tenants, file });
    checkTimes(draft, place, template);
    if (selector === undefined) return undefined;
    const limits = template.limits && compileTemplateLimits(draft, [...place, 'limits'], template.limits);
    return { name: template.name, selector, tenants: template.tenants, scrapeInterval: template.scrapeInterval, scrapeTimeout: template.scrapeTimeout, limits };
  });
}

function compileTemplateLimits(draft: Draft, place: Path, { requestsPerSecond, burst, maxConcurrentScrapes, maxBodySize, maxScrapeTimeout }: TemplateLimitsFile): TemplateLimits {
  if (burst !== undefined && requestsPerSecond === undefined) draft.fault([...place, 'burst'], 'is of a rate; give `requestsPerSecond` beside it');
  return {
    rate: requestsPerSecond === undefined ? undefined : { requestsPerSecond, burst: burst ?? Math.max(1, requestsPerSecond) },
    maxConcurrentScrapes,
    maxBodyBytes: maxBodySize === undefined ? undefined : parseSize(maxBodySize),
    maxScrapeTimeoutMs: maxScrapeTimeout === undefined ? undefined : draft.durationMs([...place, 'maxScrapeTimeout'], maxScrapeTimeout, { minMs: SECOND_MS, maxMs: HOUR_MS }),
  };
}

/** Proxies that speak for tenants. A name that is a tenant's own could not be told apart from the tenant itself. */
export async function compileFrontProxies(draft: Draft, file: Pick<GatewayFile, 'frontProxies'> & Known, tenants: readonly Tenant[]): Promise<FrontProxy[]> {
  const own = new Set(tenants.flatMap(({ credentials }) => credentials.flatMap((each) => (each.kind === 'certificate' ? [`${each.san.type} ${each.san.value}`] : []))));
  const claim = createClaims(draft);
  return draft.list(['frontProxies'], () => file.frontProxies, (proxy, place) => {
    const san = compileSan(proxy.certificate);
    claim(`${san.type} ${san.value}`, [...place, 'certificate'], (first) => `this certificate stands at ${first} already`);
    if (own.has(`${san.type} ${san.value}`)) draft.fault([...place, 'certificate'], 'is a credential of a tenant; a proxy needs a name of its own');
    if (proxy.tenants !== 'all') checkTenants(draft, place, { names: proxy.tenants, file });
    return { san, tenants: proxy.tenants };
  });
}

function checkTenants(draft: Draft, place: Path, { names, file }: { readonly names: readonly string[]; readonly file: Known }): void {
  const known = named(file.tenants);
  for (const [index, tenant] of names.entries()) {
    if (known?.has(tenant) === false) draft.fault([...place, 'tenants', index], unknownName('tenant', tenant, [...known.keys()]));
  }
}

/** Prometheus refuses a timeout above the interval, and with it the whole target. */
function checkTimes(draft: Draft, place: Path, { scrapeInterval, scrapeTimeout }: TemplateFile): void {
  const intervalMs = scrapeInterval === undefined ? undefined : draft.durationMs([...place, 'scrapeInterval'], scrapeInterval, { minMs: SECOND_MS, maxMs: DAY_MS });
  if (scrapeTimeout === undefined) return;
  if (intervalMs === undefined) draft.fault([...place, 'scrapeTimeout'], 'needs scrapeInterval beside it: Prometheus refuses a target whose timeout is above its interval');
  else draft.durationMs([...place, 'scrapeTimeout'], scrapeTimeout, { minMs: SECOND_MS, maxMs: intervalMs });
}
