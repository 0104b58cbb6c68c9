/**
 * The whole set-up, from a fresh clone to something that runs: dependencies, protobuf, build, real servers. Each step
 * looks first whether there is anything to do, so it can be run any number of times.
 */
import { delimiter, join } from 'node:path';
import { BINARIES, lookUp, NEEDED, obtain } from './binaries.mjs';
import { build, buildIsCurrent } from './build.mjs';
import { dependenciesInstalled, installDependencies } from './dependencies.mjs';
import { withLock } from './lock.mjs';
import { generateProtobuf, protobufIsCurrent } from './proto.mjs';
import { SetupError } from './run.mjs';
import { createSteps } from './steps.mjs';

const WAITING = 'waits for another set-up';

/**
 * @param {string} projectDir
 * @param {keyof typeof NEEDED} purpose
 * @returns {Promise<Record<string, string>>} the servers' paths by environment variable
 */
export async function setUp(projectDir, purpose) {
  const needed = NEEDED[purpose];
  // The project's own Node 24 and tools come first, for us and for every child.
  process.env.PATH = `${join(projectDir, 'node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`;
  const steps = createSteps(3 + needed.length);
  await withLock(
    projectDir,
    async () => {
      await steps.step('dependencies', {
        isDone: () => dependenciesInstalled(projectDir),
        work: () => installDependencies(projectDir),
      });
      await steps.step('protobuf', {
        isDone: () => protobufIsCurrent(projectDir),
        work: () => generateProtobuf(projectDir),
      });
      await steps.step('build', {
        isDone: () => buildIsCurrent(projectDir),
        work: () => build(projectDir),
      });
    },
    () => process.stdout.write(`${WAITING} of this folder …\n`),
  );
  const paths = {};
  for (const name of needed) {
    const { title, variable } = BINARIES[name];
    await steps.step(title, {
      isDone: async () => {
        paths[variable] = await lookUp(name);
        return paths[variable] !== undefined;
      },
      work: async (note) => {
        paths[variable] = await obtain(name, projectDir, () => note(WAITING));
      },
    });
  }
  steps.finish();
  return paths;
}

/** Runs a command's main function; a SetupError ends it with its message and no stack. */
export async function runCommand(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`\n${error instanceof SetupError ? error.message : error.stack}\n`);
    process.exitCode = 1;
  }
}
