import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dependenciesInstalled } from './dependencies.mjs';

describe('dependenciesInstalled', () => {
  let dir;
  const lock = (packages) => writeFileSync(join(dir, 'package-lock.json'), JSON.stringify({ packages: { '': { name: 'x' }, ...packages } }));
  const record = (packages) => writeFileSync(join(dir, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
  const pino = { version: '10.0.0', integrity: 'sha512-a' };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sw-'));
    mkdirSync(join(dir, 'node_modules/.bin'), { recursive: true });
    writeFileSync(join(dir, 'node_modules/.bin/node'), '');
    lock({ 'node_modules/pino': pino, 'node_modules/for-another-os': { version: '1.0.0', optional: true } });
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('holds when all is there but what is for other platforms', () => {
    record({ 'node_modules/pino': pino });
    expect(dependenciesInstalled(dir)).toBe(true);
  });

  it.each([
    ['a package is missing', {}],
    ['a version is another', { 'node_modules/pino': { ...pino, version: '9.0.0' } }],
    ['a hash is another', { 'node_modules/pino': { ...pino, integrity: 'sha512-b' } }],
  ])('does not hold when %s', (_what, packages) => {
    record(packages);
    expect(dependenciesInstalled(dir)).toBe(false);
  });

  it('does not hold after an interrupted install', () => {
    expect(dependenciesInstalled(dir)).toBe(false);
  });

  it('does not hold without Node 24', () => {
    record({ 'node_modules/pino': pino });
    rmSync(join(dir, 'node_modules/.bin/node'));
    expect(dependenciesInstalled(dir)).toBe(false);
  });
});
