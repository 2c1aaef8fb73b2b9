#!/usr/bin/env node
/**
 * Builds a component from a JavaScript or TypeScript module: `pacificsoft-build --wit WIT --app src/index.js --out out.wasm`.
 *
 * The module and what it imports become one file, from which everything unused is gone; the component imports only the interfaces that
 * are left. They are what its user is asked to permit. `--types DIR` generates the types of the contract instead.
 */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = dirname(fileURLToPath(import.meta.url));
const WORLD = 'rule-node';
const INTERFACE = /^pacificsoft:plugin\/([a-z0-9-]+)@/;

/** Builds a component. */
export async function component({ wit, app, out, tools = dirname(resolve(app)) }) {
  const work = await mkdtemp(join(tmpdir(), 'pacificsoft-'));
  try {
    const { code, interfaces } = await bundle(app, tools);
    const source = join(work, 'component.js');
    await writeFile(source, code);
    await narrow(wit, join(work, 'wit'), interfaces);
    const { componentize } = await tool(tools, '@bytecodealliance/componentize-js');
    const { component: bytes } = await componentize({
      sourcePath: source,
      witPath: join(work, 'wit'),
      worldName: 'narrow',
      // Without these nothing of WASI is imported.
      disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
    });
    await mkdir(dirname(resolve(out)), { recursive: true });
    await writeFile(out, bytes);
  } finally {
    await rm(work, { recursive: true });
  }
}

/** Generates the types of the contract. */
export async function types({ wit, out, tools = process.cwd() }) {
  const { $init, generateTypes } = await tool(tools, '@bytecodealliance/jco-transpile', './component');
  await $init;
  const source = await contract(wit);
  const files = generateTypes('rule-node', { wit: { tag: 'source', val: source }, world: WORLD, guest: false, features: null });
  for (const [name, bytes] of files) {
    const path = join(out, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
}

/** The contract as one text: the generator reads no folders. */
async function contract(wit) {
  const names = (await readdir(wit)).filter((name) => name.endsWith('.wit')).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(wit, name), 'utf8')));
  const header = /^package .*?;$/m;
  return [header.exec(texts[0])?.[0], ...texts.map((text) => text.replace(header, ''))].join('\n');
}

/** One file of everything that is used, and the interfaces of the contract that it imports. */
async function bundle(app, tools) {
  const { rolldown } = await tool(tools, 'rolldown');
  const built = await rolldown({
    input: resolve(app),
    external: INTERFACE,
    resolve: {
      conditionNames: ['pacificsoft', 'import', 'default'],
      // This very SDK, wherever the application is.
      alias: { '@pacificsoft/sdk': join(HERE, 'src/index.js') },
    },
    treeshake: { moduleSideEffects: (id) => !INTERFACE.test(id) },
    logLevel: 'warn',
  });
  const { output } = await built.generate({ format: 'esm', codeSplitting: false });
  await built.close();
  const { code } = output[0];
  // From the code: the bundler's own list has what was imported before it left out what is not used.
  const names = [...code.matchAll(/^import\b[^'"]*['"]([^'"]+)['"]/gm)].map(([, name]) => INTERFACE.exec(name)?.[1] ?? unknown(name));
  return { code, interfaces: names };
}

function unknown(name) {
  throw new Error(`${name} is not there for components: they have no Node modules, files or sockets`);
}

/** The contract with a world that imports only some of the interfaces that `rule-node` does. */
async function narrow(wit, out, interfaces) {
  await mkdir(out);
  for (const name of await readdir(wit)) await writeFile(join(out, name), await readFile(join(wit, name)));
  const text = await readFile(join(wit, 'rule-node.wit'), 'utf8');
  const world = /world rule-node \{(.*?)\n\}/s.exec(text)?.[1];
  const name = /^package .*?;/m.exec(text)?.[0];
  if (!world || !name) throw new Error(`${wit} is not the contract`);
  const kept = world.split('\n').filter((line) => {
    const offered = /^\s*import ([a-z0-9-]+);/.exec(line)?.[1];
    return !offered || interfaces.includes(offered);
  });
  await writeFile(join(out, 'narrow.wit'), `${name}\n\n/// What this component imports.\nworld narrow {${kept.join('\n')}\n}\n`);
}

/** A tool, as installed where the application is; or a part of it. */
async function tool(from, name, part = '.') {
  for (const base of [join(resolve(from), 'x'), import.meta.url]) {
    try {
      // By its folder: `require.resolve` alone does not find packages that are ES modules only.
      const require = createRequire(base);
      for (const folder of require.resolve.paths(name) ?? []) {
        const json = await readFile(join(folder, name, 'package.json'), 'utf8').then(JSON.parse, () => undefined);
        if (!json) continue;
        const entry = json.exports?.[part] ?? json.exports ?? json.main;
        const file = typeof entry === 'string' ? entry : (entry.import?.default ?? entry.import ?? entry.default);
        return await import(pathToFileURL(join(folder, name, file)));
      }
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error(`${name} is missing: npm install --save-dev ${name}`);
}

async function main() {
  const option = { type: 'string' };
  const { values } = parseArgs({ options: { wit: option, app: option, out: option, types: option, tools: option } });
  if (values.types && values.wit) return types({ wit: values.wit, out: values.types, tools: values.tools });
  if (!values.wit || !values.app || !values.out) throw new Error('usage: pacificsoft-build --wit DIR --app FILE --out FILE');
  return component(values);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    console.error(`pacificsoft-build: ${error.message}`);
    process.exitCode = 1;
  });
}
