import { describe, expect, it } from '@jest/globals';
import { AddressBook, hostsOf } from './addresses.js';

const v4 = (address: string) => ({ address, family: 4 });
const v6 = (address: string) => ({ address, family: 6 });

describe('which hosts are dialled for a name', () => {
  it.each([
    ['one address: it', [v4('10.0.0.1')], ['10.0.0.1']],
    ['several: each', [v4('10.0.0.1'), v4('10.0.0.2')], ['10.0.0.1', '10.0.0.2']],
    ['one twice: once', [v4('10.0.0.1'), v4('10.0.0.1')], ['10.0.0.1']],
    ['one of each family: the name, and Node finds the way', [v6('::1'), v4('127.0.0.1')], ['gw']],
    ['more of both families: those of the resolver\'s first', [v6('fd::1'), v4('10.0.0.1'), v6('fd::2'), v4('10.0.0.2')], ['fd::1', 'fd::2']],
  ])('%s', (_, found, hosts) => {
    expect(hostsOf('gw', found)).toEqual(hosts);
  });

  it('where nothing of one family answered, the other has its turn', () => {
    expect(hostsOf('gw', [v6('fd::1'), v6('fd::2'), v4('10.0.0.1')], 6)).toEqual(['10.0.0.1']);
    expect(hostsOf('gw', [v6('fd::1'), v6('fd::2')], 6)).toEqual(['fd::1', 'fd::2']);
  });

  it('a name with hundreds of addresses is cut', () => {
    expect(hostsOf('gw', Array.from({ length: 200 }, (_, i) => v4(`10.0.0.${i}`)))).toHaveLength(32);
  });
});

describe('hosts over several answers', () => {
  it('an address is new at once, and gone after three answers without it', () => {
    const book = new AddressBook();
    book.take(['10.0.0.1', '10.0.0.2']);
    book.take(['10.0.0.2', '10.0.0.3']);
    book.take(['10.0.0.2']);
    expect(book.hosts).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
    book.take(['10.0.0.2']);
    expect(book.hosts).toEqual(['10.0.0.2', '10.0.0.3']);
  });

  it('a resolver that tells one of them at a time tells all of them', () => {
    const book = new AddressBook();
    for (const host of ['10.0.0.1', '10.0.0.2', '10.0.0.1', '10.0.0.2']) book.take([host]);
    expect(book.hosts).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  it('another kind of answer replaces what was there', () => {
    const book = new AddressBook();
    book.take(['gw']);
    book.take(['10.0.0.1', '10.0.0.2']);
    expect(book.hosts).toEqual(['10.0.0.1', '10.0.0.2']);
  });
});
