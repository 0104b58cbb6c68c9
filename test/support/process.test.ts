import { describe, expect, it } from '@jest/globals';
import { nodeBinary } from './project.js';
import { startProcess } from './process.js';
import type { RunningProcess } from './process.js';

function startNode(script: string): RunningProcess {
  return startProcess({ name: 'child', command: nodeBinary, args: ['-e', script] });
}

describe('a child process', () => {
  it('is waited for by a line of its log', async () => {
    await using child = startNode('console.log("listening on 4711"); setInterval(() => {}, 1000)');
    const [, port] = await child.waitForLog(/listening on (\d+)/);
    expect(port).toBe('4711');
    expect(await child.stop()).toEqual({ code: null, signal: 'SIGTERM' });
  });

  it('that ends fails a wait at once, with the end of its log', async () => {
    await using child = startNode('console.error("no such file"); process.exitCode = 3');
    await expect(child.waitForLog(/listening/, { timeoutMs: 60_000 })).rejects.toThrow(/child has ended \(exit code 3\)[^]*no such file/);
  });

  it('that does not exist fails a wait at once', async () => {
    await using child = startProcess({ name: 'child', command: '/no/such/command', args: [] });
    await expect(child.waitForLog(/listening/, { timeoutMs: 60_000 })).rejects.toThrow(/ENOENT/);
  });

  it('that ignores SIGTERM is killed', async () => {
    await using child = startNode('process.on("SIGTERM", () => {}); console.log("up"); setInterval(() => {}, 1000)');
    await child.waitForLog(/up/);
    expect(await child.stop(50)).toEqual({ code: null, signal: 'SIGKILL' });
  });
});
