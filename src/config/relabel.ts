import type { RelabelConfig } from '../model/relabel-config.js';
import { compileRelabel } from '../relabel/relabel.js';
import type { Draft } from './draft.js';
import type { Path } from './yaml-source.js';

/** A fault at the key of each rule that Prometheus would refuse. */
export function checkRelabel(draft: Draft, place: Path, configs: readonly RelabelConfig[]): void {
  for (const [index, config] of configs.entries()) {
    const compiled = compileRelabel([config]);
    if (compiled.ok) continue;
    for (const { place: at, message } of compiled.error) draft.fault([...place, index, at.slice(at.indexOf('.') + 1)], message);
  }
}
