/** `npm run setup`: everything that can be prepared. `--for build|start|test` says what must be there (build). */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NEEDED } from './lib/binaries.mjs';
import { SetupError } from './lib/run.mjs';
import { runCommand, setUp } from './lib/setup.mjs';

const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));

await runCommand(async () => {
  const [option, purpose = 'build', ...rest] = process.argv.slice(2);
  if ((option !== undefined && option !== '--for') || !Object.hasOwn(NEEDED, purpose) || rest.length > 0) {
    throw new SetupError(`usage: node scripts/setup.mjs [--for ${Object.keys(NEEDED).join('|')}]`);
  }
  await setUp(projectDir, purpose);
  return 0;
});
