/** The page in a real browser: opens fast, is used by keyboard, and runs nothing that the data says. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ReportFile } from '../../src/report/data.js'
import { reportOf } from '../../src/report/read.js'
import { Browser, chromium } from '../harness/chromium.js'
import { sample, sampleFile } from './sample.js'

// Composed as it is installed: with what the build made of the page.
const { reportPage }: typeof import('../../src/report/html.js') = await import(
  new URL('../../dist/report/html.js', import.meta.url).href
)

const scratch = mkdtempSync(join(tmpdir(), 'page-'))
/** A directory of one's choice gets the pages and their pictures, to be looked at. */
const pictures = process.env.REPORT_PICTURES

function page(name: string, files: readonly ReportFile[]): string {
  const path = join(scratch, name)
  writeFileSync(path, reportPage(reportOf(files)))
  return pathToFileURL(path).href
}

const ATTACKS = [
  '</script><script>window.hacked = 1</script>',
  '<img src=x onerror="window.hacked = 1">',
  '"><svg onload=window.hacked=1>',
  'javascript:window.hacked=1',
  '<!--<script>',
  ']]>',
  '\u2028window.hacked = 1\u2029',
  '{{constructor.constructor("window.hacked=1")()}}',
  '<a href="javascript:window.hacked=1">x</a>',
  '&lt;b&gt;',
  '\u202Etxt.exe',
]

function hostile(): ReportFile[] {
  return ATTACKS.map((attack, index) => {
    const file = sampleFile(index)
    if (file.facts === undefined) throw new Error('no facts')
    const [use] = file.facts.uses
    if (use === undefined) throw new Error('no use')
    return {
      ...file,
      project: attack,
      file: attack,
      state: attack,
      denials: [{ call: attack, resource: attack, message: attack, test: attack, line: attack }],
      facts: {
        ...file.facts,
        root: attack,
        home: attack,
        grants: [{ list: attack, source: attack, at: attack }],
        opened: { [attack]: 1 },
        leaks: [{ kind: 'file', what: attack, descriptor: 1, test: attack, opened: 1 }],
        uses: [
          { ...use, what: attack, test: attack, by: attack, call: attack },
          { ...use, access: 'write', what: '/shared', test: attack },
          { ...use, what: attack, outcome: 'denied' },
        ],
      },
    }
  })
}

describe.skipIf(chromium === undefined)(
  `in Chromium (${chromium === undefined ? 'missing: chromium is not installed' : 'live'})`,
  () => {
    let browser: Browser
    const shown = (): Promise<string> => browser.run('document.getElementById("panel").innerText')
    /** A view is drawn at `hashchange`, which comes some time after the change itself. */
    const viewDuring = async (change: () => Promise<unknown>): Promise<string> => {
      await browser.run(
        'globalThis.drawn = new Promise((drawn) => addEventListener("hashchange", () => requestAnimationFrame(drawn), { once: true })), true',
      )
      await change()
      await browser.run('globalThis.drawn.then(() => true)')
      return await shown()
    }
    const view = (name: string): Promise<string> =>
      viewDuring(() => browser.run(`location.hash = ${JSON.stringify(name)}`))
    const complaints = (): unknown[] =>
      browser.events.filter(({ method = '' }) =>
        ['Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled'].includes(method),
      )

    beforeAll(() => {
      // Only where it is, see above.
      browser = new Browser(chromium ?? '')
    })
    afterAll(async () => {
      await browser[Symbol.asyncDispose]()
      rmSync(scratch, { recursive: true, force: true })
    })

    test('a thousand test files open in no time, and only those in sight are in the document', async () => {
      // How long the browser takes here for a page with few.
      const few = await browser.open(page('sixty.html', sample(60)))
      const url = page('thousand.html', sample(1000))
      const ms = await browser.open(url)
      expect(ms).toBeLessThan(2000 + 10 * few)
      expect(await browser.run<number>('document.querySelectorAll(".rows .line").length')).toBeLessThan(80)
      expect(await browser.run<string>('document.querySelector(".figures").innerText')).toMatch(
        /1,000 test files\s+59 denials\s+\d+ hazards?\s+10 leaks\s+\d+ unused grants/,
      )
      expect(await shown()).toContain('test/api/area-0/case-0037.test.ts')
      await browser.run('document.querySelector(".grid").scrollTop = 1e9')
      await browser.run('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))')
      expect(await shown()).toContain('test/web/area-9/')
      expect(complaints()).toEqual([])
    })

    test('by keyboard alone: search, rows, one file, back, the other views', async () => {
      await browser.open(page('sixty.html', sample(60)))
      await browser.press('/', '/')
      for (const letter of 'npmrc') await browser.press(letter, letter)
      expect(await browser.run<string>('document.querySelector(".shown").innerText')).toBe('4 files of 60')
      await browser.run('document.querySelector(".grid").focus()')
      await browser.press('ArrowDown')
      await browser.press('Enter')
      const detail = await browser.run<string>('document.activeElement.innerText')
      expect(detail).toContain("to allow it, add to the manifest: read: ['<home>/.npmrc']")
      expect(detail).toMatch(/GRANTED, BUT UNUSED/i)
      await browser.press('Escape')
      expect(await browser.run<boolean>('document.activeElement.classList.contains("grid")')).toBe(true)
      await browser.run('document.getElementById("tab-matrix").focus()')
      expect(await viewDuring(() => browser.press('ArrowRight'))).toContain('4 denials')
      expect(await browser.run<string>('document.activeElement.id + location.hash')).toBe('tab-denials#denials')
    })

    test('each view says its part, and a grant is found by its link', async () => {
      await browser.open(page('more.html', sample(200)))
      expect(await view('denials')).toContain('~/.npmrc')
      expect(await view('hazards')).toMatch(
        /test\/output\/log\.txt\s+write \/ write\s+write test\/\w+\/area-\d+\/case-\d+\.test\.ts › does something > in a suite/,
      )
      expect(await view('descriptors')).toMatch(
        /2 descriptors left open[\s\S]*connects[\s\S]*tcp:127\.0\.0\.1:5432 socket, number 23/,
      )
      expect(await view('grants')).toMatch(
        /12 grants, the unused ones first[\s\S]*never\/used\/[\s\S]*none of 200 test files/,
      )
      await view(`grants/${encodeURIComponent('manifest.exec[6]')}`)
      expect(await browser.run<string>('document.querySelector("tr.target").innerText')).toContain('git')
    })

    test('light and dark by the system, and by choice', async () => {
      const url = page('colours.html', sample(400))
      const background = (): Promise<string> => browser.run('getComputedStyle(document.body).backgroundColor')
      const seen: string[] = []
      for (const scheme of ['light', 'dark']) {
        await browser.open(url, { scheme })
        seen.push(await background())
        for (const name of ['matrix', 'denials', 'hazards', 'descriptors', 'grants']) {
          await view(name)
          if (pictures === undefined) continue
          mkdirSync(pictures, { recursive: true })
          writeFileSync(join(pictures, `${name}-${scheme}.png`), await browser.screenshot())
        }
      }
      expect(new Set(seen).size).toBe(2)
      await browser.run('document.querySelector(".theme").click()')
      expect(await background()).toBe(seen[0])
    })

    test('nothing that the data says is run or loaded, whatever it is', async () => {
      await browser.open(page('hostile.html', hostile()))
      const texts = [await shown()]
      for (const name of ['denials', 'hazards', 'descriptors', 'grants']) texts.push(await view(name))
      await view('matrix')
      for (let row = 0; row < ATTACKS.length; row++) {
        await browser.run(`document.querySelectorAll('.rows .line')[${row}].click()`)
        texts.push(await browser.run('document.querySelector(".detail").innerText'))
      }
      for (const attack of ATTACKS.slice(0, 4)) expect(texts.join('\n')).toContain(attack)
      expect(await browser.run('typeof window.hacked')).toBe('undefined')
      expect(
        await browser.run(
          'document.querySelectorAll("img, iframe, object, script:not([id]):not(body > script)").length',
        ),
      ).toBe(0)
      expect(
        await browser.run('[...document.querySelectorAll("a")].every((a) => a.getAttribute("href").startsWith("#"))'),
      ).toBe(true)
      const requests = browser.events.filter(({ method }) => method === 'Network.requestWillBeSent')
      expect(requests).toHaveLength(1)
      expect(complaints()).toEqual([])
    })

    test('and even if a script came in, the policy of the page would not run it', async () => {
      await browser.open(page('policy.html', sample(1)))
      await browser.run(`(() => {
      const script = document.createElement('script')
      try { script.textContent = 'window.hacked = 1' } catch {}
      document.body.append(script)
    })()`)
      expect(await browser.run('typeof window.hacked')).toBe('undefined')
      expect(await browser.run<string>('fetch("https://example.com/").then(() => "loaded", () => "refused")')).toBe(
        'refused',
      )
    })
  },
)
