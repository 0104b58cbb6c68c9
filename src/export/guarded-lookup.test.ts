import { describe, expect, it } from '@jest/globals';
import { guardedLookup, isAllowedAddress } from './guarded-lookup.js';

describe('an address of a name that a tenant has chosen', () => {
  it.each(['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fd00:ec2::254', '::ffff:127.0.0.1', '::ffff:169.254.169.254'])('is not connected to: %s', (address) => {
    expect(isAllowedAddress({ address, family: address.includes(':') ? 6 : 4 })).toBe(false);
  });

  it.each(['10.1.2.3', '192.168.0.1', '172.16.0.1', '203.0.113.7', '2001:db8::1', 'fd12::1', '::ffff:10.0.0.1'])('may be connected to: %s', (address) => {
    expect(isAllowedAddress({ address, family: address.includes(':') ? 6 : 4 })).toBe(true);
  });

  it('that is this machine is not even found', async () => {
    const error = await new Promise((resolve) => guardedLookup('localhost', {}, resolve));
    expect(error).toMatchObject({ message: 'localhost is at no address that may be connected to' });
  });
});
