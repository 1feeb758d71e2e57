// Makes {{name}}.wasm, a component, of tool.js and tool.wit.

import { readFile, writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

// Without these the tool imports nothing, which makes its calls fast. Take out what it is to use.
const disableFeatures = ['stdio', 'clocks', 'random', 'http', 'fetch-event'];

// The docs of the functions, in the form in which `palisade tool show` reads them; a component's world is called root.
function docs(wit) {
  const functions = {};
  for (const [, comment, name] of wit.matchAll(/((?:^ *\/\/\/.*\n)+) *export ([a-z0-9-]+): func/gm)) {
    functions[name] = { docs: comment.replace(/^ *\/\/\/ ?/gm, '').trim() };
  }
  return JSON.stringify({ worlds: { root: { func_exports: functions } } });
}

function section(name, version, text) {
  const content = Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.of(version), Buffer.from(text)]);
  return Buffer.concat([Buffer.of(0), unsigned(content.length), content]);
}

// A number as WebAssembly writes it: LEB128.
function unsigned(number) {
  return number < 128 ? Buffer.of(number) : Buffer.concat([Buffer.of(number % 128 | 128), unsigned(number >>> 7)]);
}

const { component } = await componentize({
  sourcePath: 'tool.js',
  witPath: 'tool.wit',
  worldName: 'tool',
  disableFeatures,
});
const wit = await readFile('tool.wit', 'utf8');
await writeFile('{{name}}.wasm', Buffer.concat([component, section('package-docs', 1, docs(wit))]));
