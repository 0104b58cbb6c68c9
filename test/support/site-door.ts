import { hash } from '@node-rs/bcrypt';
import { Registry } from 'prom-client';
import { silentLogger } from '../../src/lib/logger.js';
import type { SitePush } from '../../src/model/site-push.js';
import { createSiteDoor } from '../../src/push/site/door.js';
import type { SiteDoor, SiteDoorOptions } from '../../src/push/site/door.js';
import { tokenDigest } from '../../src/credentials/claims.js';
import { eventually } from './eventually.js';
import { pushTarget } from './push-rig.js';

/**
 * The push door of an agent, without the agent. Two tenants: `shop` with a password, a certificate and a token that is over, `billing` with a token;
 * both may push to `batch`, a Pushgateway.
 */
export interface SiteDoorRig extends AsyncDisposable {
  readonly door: SiteDoor;
  readonly registry: Registry;
  readonly settings: SitePush;
  /** Waits until it listens. `https:` where it has a certificate. */
  url(): Promise<string>;
  metric(line: string): Promise<number | undefined>;
}

export const SHOP_PASSWORD = 'open sesame';
export const BILLING_TOKEN = 'billing-0123456789abcdef';
export const OLD_TOKEN = 'shop-0123456789abcdef';

export function basic(user: string, password: string): { readonly authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

export function bearer(token: string): { readonly authorization: string } {
  return { authorization: `Bearer ${token}` };
}

export async function siteSettings(over: Partial<SitePush> & { readonly url: string }): Promise<SitePush> {
  const { url, ...more } = over;
  return {
    listen: { host: '127.0.0.1', port: 0 },
    tls: undefined,
    limits: { requestsPerSecond: 1000, concurrentPerTenant: 16, inFlightBytes: 64 * 1024 * 1024, maxConnections: 100 },
    targets: [pushTarget({ name: 'batch', kind: 'pushgateway', url })],
    tenants: [
      {
        name: 'shop',
        credentials: [
          { kind: 'basic', user: 'shop', bcryptHash: await hash(SHOP_PASSWORD, { cost: 4 }) },
          { kind: 'certificate', san: { type: 'uri', value: 'spiffe://scrapeway/tenant/shop' } },
          { kind: 'bearer', sha256: tokenDigest(OLD_TOKEN), expiresMs: 1 },
        ],
        targets: ['batch'],
      },
      { name: 'billing', credentials: [{ kind: 'bearer', sha256: tokenDigest(BILLING_TOKEN) }], targets: ['batch'] },
    ],
    ...more,
  };
}

export async function startSiteDoor(settings: SitePush, options: Partial<SiteDoorOptions> = {}): Promise<SiteDoorRig> {
  const registry = new Registry();
  const door = createSiteDoor({ logger: silentLogger, registry, ...options });
  door.configure(settings);
  return {
    door,
    registry,
    settings,
    url: async () => {
      const port = await eventually(() => {
        const now = door.port();
        if (now === undefined) throw new Error('it does not listen');
        return now;
      });
      return `${settings.tls === undefined ? 'http' : 'https'}://localhost:${port}`;
    },
    metric: async (line) => {
      const found = (await registry.metrics()).split('\n').find((each) => each.startsWith(`${line} `));
      return found === undefined ? undefined : Number(found.slice(line.length + 1));
    },
    [Symbol.asyncDispose]: () => door.drain(),
  };
}
