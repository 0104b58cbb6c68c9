import { describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { digest, makeBody } from '../../bench/body.js';
import { CONTESTANTS } from '../../bench/contestants/all.js';
import { runRound } from '../../bench/round.js';
import { createTempDir } from '../support/temp-dir.js';

/** The benchmark, at a size that says nothing of speed: a figure needs a contestant that works. */

describe('a round of the benchmark', () => {
  it.each(CONTESTANTS.map((contestant) => ({ name: contestant.name, contestant })).filter(({ contestant }) => contestant.skip?.() === undefined))(
    '$name answers every scrape with its body',
    async ({ contestant }) => {
      await using runDir = await createTempDir();
      const body = makeBody(1_000);
      const bodyFile = runDir.join('body.gz');
      await writeFile(bodyFile, body.gzipped);
      const plan = { runDir: runDir.path, agents: ['agent-1', 'agent-2', 'agent-3'], bodyFile, bodyDigest: digest(body.gzipped), connections: 4, warmUpSeconds: 0.2, seconds: 0.5 };
      expect((await runRound(contestant, plan)).scrapesPerSecond).toBeGreaterThan(0);
    },
    60_000,
  );
});
