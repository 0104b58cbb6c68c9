import { lookup } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { BlockList } from 'node:net';

/**
 * Name resolution for hosts of a tenant's choosing: a Service may be an alias of any name, and so of this pod's own loopback or of the
 * cloud's metadata server. The addresses that are checked are those that are connected to, so there is no second answer to be fooled by.
 */
const HERE = new BlockList();
HERE.addSubnet('0.0.0.0', 8);
HERE.addSubnet('127.0.0.0', 8);
HERE.addSubnet('169.254.0.0', 16);
HERE.addSubnet('224.0.0.0', 3);
HERE.addSubnet('::', 127, 'ipv6');
HERE.addSubnet('fe80::', 10, 'ipv6');
HERE.addSubnet('fd00:ec2::', 32, 'ipv6');
HERE.addSubnet('ff00::', 8, 'ipv6');

export function isAllowedAddress({ address, family }: LookupAddress): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped === undefined ? !HERE.check(address, family === 6 ? 'ipv6' : 'ipv4') : !HERE.check(mapped);
}

type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** For `connect` of undici. */
export function guardedLookup(host: string, options: LookupOptions, callback: Callback): void {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, []);
    const allowed = addresses.filter(isAllowedAddress);
    const [first] = allowed;
    if (first === undefined) return callback(Object.assign(new Error(`${host} is at no address that may be connected to`), { code: 'ENOTFOUND' }), []);
    return options.all === true ? callback(null, allowed) : callback(null, first.address, first.family);
  });
}
