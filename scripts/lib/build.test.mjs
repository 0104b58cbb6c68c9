import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, buildIsCurrent } from './build.mjs';

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const tsconfig = {
  compilerOptions: { outDir: 'dist', rootDir: '.', module: 'nodenext', strict: true, types: [], incremental: true, tsBuildInfoFile: 'build/tsbuildinfo' },
  include: ['src'],
};

describe('build', () => {
  let dir;
  const write = (file, text) => writeFileSync(join(dir, file), text);
  const has = (file) => existsSync(join(dir, file));

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sw-'));
    mkdirSync(join(dir, 'src'));
    symlinkSync(join(projectDir, 'node_modules'), join(dir, 'node_modules'));
    write('tsconfig.json', JSON.stringify(tsconfig));
    write('package-lock.json', '{}');
    write('src/one.ts', 'export const one = 1;\n');
    write('src/two.test.ts', 'export const two = 2;\n');
    await build(dir);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is current right after it', () => {
    expect([has('dist/src/one.js'), buildIsCurrent(dir)]).toEqual([true, true]);
  });

  it('is not current after a change, an addition, a removal', () => {
    write('src/one.ts', 'export const one = 11;\n');
    expect(buildIsCurrent(dir)).toBe(false);
    write('src/one.ts', 'export const one = 1;\n');
    write('src/three.ts', '');
    expect(buildIsCurrent(dir)).toBe(false);
    rmSync(join(dir, 'src/three.ts'));
    rmSync(join(dir, 'src/two.test.ts'));
    expect(buildIsCurrent(dir)).toBe(false);
  });

  it('takes away what has no source any more', async () => {
    rmSync(join(dir, 'src/two.test.ts'));
    await build(dir);
    expect([has('dist/src/one.js'), has('dist/src/two.test.js')]).toEqual([true, false]);
  });

  it('writes again what somebody deleted', async () => {
    rmSync(join(dir, 'dist'), { recursive: true });
    expect(buildIsCurrent(dir)).toBe(false);
    await build(dir);
    expect(has('dist/src/one.js')).toBe(true);
  });

  it('fails with the compiler\'s errors, and is not current then', async () => {
    write('src/one.ts', 'export const one: number = "1";\n');
    await expect(build(dir)).rejects.toThrow(/src\/one\.ts\(1,14\): error TS2322/);
    expect(buildIsCurrent(dir)).toBe(false);
  });
});
