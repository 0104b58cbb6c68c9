/**
 * Which field a client complains of. Envoy's words name it in one of two ways: by the chain of its validation errors, or by
 * quoting a value ("malformed IP address: no-address"). What is found is a hint for a person, next to the words themselves.
 */
import type { JsonValue } from '@bufbuild/protobuf';
import { stringLeaves } from './difference.js';

const MAX_PATHS = 5;
/** Shorter values stand in any sentence. */
const MIN_LENGTH = 4;

/** Paths of the fields of `value`, the resource `name`, that `words` may be about, the likeliest first. */
export function blamed(words: string, value: JsonValue, name: string): string[] {
  const chain = validationPath(words);
  return [...new Set([...(chain === undefined ? [] : [chain]), ...quotedFields(words, value, name)])].slice(0, MAX_PATHS);
}

/** Paths of the strings in `value` that `words` quote, the longest first; not of `except`, by which they name the whole. */
export function quotedFields(words: string, value: JsonValue, except: string): string[] {
  return stringLeaves(value)
    .filter(({ value: text }) => text !== except)
    .filter(({ path, value: text }) => text.length >= MIN_LENGTH && !/(?:^|\.)(?:name|@type)$/.test(path) && quotes(words, text))
    .sort((a, b) => b.value.length - a.value.length)
    .slice(0, MAX_PATHS)
    .map(({ path }) => path);
}

/** `…(AValidationError.VirtualHosts[0]: … | caused by BValidationError.Domains: …` → `virtual_hosts[0].domains`. */
function validationPath(words: string): string | undefined {
  const steps = [...words.matchAll(/\w+ValidationError\.(\w+)((?:\[[^\]]*\])?)/g)].map(([, name = '', index = '']) => `${snakeCase(name)}${index}`);
  return steps.length === 0 ? undefined : steps.join('.');
}

function snakeCase(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase();
}

function quotes(words: string, text: string): boolean {
  for (let at = words.indexOf(text); at >= 0; at = words.indexOf(text, at + 1)) {
    if (!isWordCharacter(words[at - 1]) && !isWordCharacter(words[at + text.length])) return true;
  }
  return false;
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\w-]/.test(character);
}
