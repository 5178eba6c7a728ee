/** Vitest's own page, in a real browser: it shows a violation like any failure. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { Browser, chromium } from '../harness/chromium.js'
import { freePort } from '../harness/http.js'
import { project, start, vitestBin } from './run-vitest.js'

const missing =
  chromium === undefined
    ? 'chromium is not installed'
    : existsSync(join(dirname(vitestBin), '../@vitest/ui'))
      ? undefined
      : '@vitest/ui is not installed'

test.skipIf(missing !== undefined)(
  `vitest --ui (${missing === undefined ? 'live' : `missing: ${missing}`})`,
  async () => {
    using at = project('e2e-messages')
    const port = await freePort()
    using running = start(at, [
      'places',
      '--watch',
      '--ui',
      '--open=false',
      '--api.host=127.0.0.1',
      `--api.port=${port}`,
    ])
    await running.printed(' seccomp  19 violations in 1 test file')
    await using browser = new Browser(chromium ?? '')
    // Since Vitest 5 there is a token in it.
    await browser.open(/http:\S+\/__vitest__\/\S*/.exec(running.output())?.[0] ?? '')
    await browser.run(`new Promise((shown) => {
    const look = () => {
      // The first one is that of the only file.
      const details = document.querySelector('[data-testid="btn-open-details"]')
      if (details === null || !document.body.innerText.includes('places.test.ts')) return
      clearInterval(timer)
      details.click()
      shown()
    }
    const timer = setInterval(look, 50)
  })`)
    const text = await browser.run<string>(`new Promise((shown) => {
    const look = () => {
      if (!document.body.innerText.includes('secrets/thrown.txt')) return
      clearInterval(timer)
      shown(document.body.innerText)
    }
    const timer = setInterval(look, 50)
  })`)
    expect(text).toContain("to allow it, add to the manifest: read: ['secrets/thrown.txt']")
    expect(text).toMatch(/places\.test\.ts:24:3/)
  },
)
