// Runs a copy of the public HTTP cache test suite (npm `http-cache-tests`, or its sources) against any proxy cache.
//
//   node run.mjs serve SUITE [PORT]               the suite's origin; says where it listens (port 0: any that is free)
//   node run.mjs test SUITE BASE [PROXY [ID]]     the suite's client: a report in JSON, counts on standard error
//   node run.mjs count SUITE RESULTS.json         the same report, of results that somebody published
//
// SUITE is the directory of the suite's package.json, its dependencies installed. BASE is where the client finds the origin: the
// address of the reverse proxy before it; or, when PROXY is given, of the origin itself, which is then asked for with absolute-form
// requests to that forward proxy (neither of the two clients that the suite uses can do that by itself). PROXY may be empty. ID is
// one test, which is printed message by message.
//
// What counts is the suite's own word: `determineTestResult`, for which a test whose dependency failed is not passed. `alone` counts
// without dependencies. What a proxy can run is what the suite's runner runs when it is not told of a browser's cache.

import fs from 'fs'
import http from 'http'
import path from 'path'
import process from 'process'
import { createRequire } from 'module'
import { pathToFileURL } from 'url'

// The suite's marks in words.
const words = {
  '-': 'untested',
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'optional_fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup_fail',
  '⁉️': 'harness_fail',
  '⚪️': 'dependency_fail',
  '↻': 'retry'
}

const [command, suite, ...rest] = process.argv.slice(2)
const commands = { serve, test, count }
if (!(command in commands) || !suite || (command !== 'serve' && !rest[0])) {
  console.error('usage: node run.mjs serve SUITE [PORT] | test SUITE BASE [PROXY [ID]] | count SUITE RESULTS.json')
  process.exit(2)
}
const root = path.resolve(suite)
const require = createRequire(path.join(root, 'package.json'))
// The release has its parts at the top, the newer sources in a directory.
const engine = fs.existsSync(path.join(root, 'test-engine')) ? path.join(root, 'test-engine') : root
const load = (...parts) => import(pathToFileURL(path.join(...parts)))
await commands[command](...rest)

// Node closes connections that were idle for five seconds, also while a proxy is writing the next request to one. A PUT that meets
// this cannot be sent again, and whether one does depends on the machine's load, not on the proxy; so connections stay open.
async function serve (port = '0') {
  const { createServer } = http
  http.createServer = (...of) => Object.assign(createServer(...of), { keepAliveTimeout: 600_000 })
  Object.assign(process.env, { npm_config_protocol: 'http', npm_config_port: port, npm_config_pidfile: '/dev/null' })
  await load(engine, 'server', 'server.mjs')
}

async function test (base, proxy, id) {
  const { runTests, getResults } = await load(engine, 'client', 'runner.mjs')
  const suites = await tests()
  const chosen = suites.map(s => ({ ...s, tests: s.tests.filter(t => !id || t.id === id) }))
  if (id) chosen.forEach(s => s.tests.forEach(t => { t.dump = true }))
  if ('undici' in require('./package.json').dependencies) {
    if (proxy) askThroughUndici(proxy)
    await runTests(chosen, false, base)
  } else {
    // The release is given its `fetch`.
    await runTests(chosen, askThroughNodeFetch(proxy), false, base)
  }
  await report(suites, getResults(), id)
  process.exit(0) // connections are kept alive
}

async function count (results) {
  await report(await tests(), JSON.parse(fs.readFileSync(results)))
}

async function tests () {
  return (await load(root, 'tests', 'index.mjs')).default
}

// Requests of node-fetch go to the proxy when its agent says so.
function askThroughNodeFetch (proxy) {
  const fetch = require('node-fetch')
  if (!proxy) return fetch
  const { hostname, port } = new URL(proxy)
  class Agent extends http.Agent {
    addRequest (request, options) {
      request.path = `http://${request.getHeader('host')}${request.path}`
      super.addRequest(request, { ...options, host: hostname, port, path: null })
    }
  }
  const agent = new Agent()
  return (url, init) => fetch(url, { ...init, agent })
}

// Every agent of undici, also those that the suite makes, sends its requests to the proxy.
function askThroughUndici (proxy) {
  const undici = require('undici')
  const { dispatch } = undici.Agent.prototype
  undici.Agent.prototype.dispatch = function (options, handler) {
    const { origin, host } = new URL(options.origin)
    const headers = Array.isArray(options.headers) ? ['host', host, ...options.headers] : { host, ...options.headers }
    return dispatch.call(this, { ...options, origin: proxy, path: `${origin}${options.path}`, headers }, handler)
  }
  undici.setGlobalDispatcher(new undici.Agent())
  globalThis.fetch = undici.fetch
}

async function report (suites, results, id) {
  const judge = ['results.mjs', 'display.mjs'].find(file => fs.existsSync(path.join(engine, 'lib', file)))
  const { determineTestResult } = await load(engine, 'lib', judge)
  const report = { counts: {}, tests: {} }
  for (const suite of suites) {
    for (const test of suite.tests) {
      if (test.browser_only || (id && test.id !== id)) continue
      const kind = test.kind ?? 'required'
      const outcome = words[determineTestResult(suites, test.id, results, !id)[2]]
      const passed = outcome === 'pass' || outcome === 'yes'
      const result = results[test.id]
      const counts = (report.counts[kind] ??= { passed: 0, alone: 0, of: 0 })
      counts.passed += passed
      counts.alone += result === true
      counts.of += 1
      report.tests[test.id] = { suite: suite.id, kind, passed, outcome, said: Array.isArray(result) ? result.join(': ') : '' }
    }
  }
  fs.writeFileSync(1, JSON.stringify(report, null, 1) + '\n')
  console.error(Object.entries(report.counts).map(([kind, c]) => `${kind} ${c.passed} (${c.alone} alone) of ${c.of}`).join(', '))
}
