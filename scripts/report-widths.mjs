// node scripts/report-widths.mjs <report.html> <directory>
//
// Pictures of a report at 400, 800 and 1280 pixels, light and dark, for whoever changes its page. Needs Chromium: apt-get install chromium.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [report, directory] = process.argv.slice(2)
if (report === undefined || directory === undefined)
  throw new Error('node scripts/report-widths.mjs <report.html> <directory>')
mkdirSync(directory, { recursive: true })
for (const width of [400, 800, 1280])
  for (const theme of ['light', 'dark']) {
    const picture = path.resolve(directory, `${width}-${theme}.png`)
    const dark = theme === 'dark' ? ['--blink-settings=preferredColorScheme=0'] : []
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', ...dark]
    execFileSync(
      'chromium',
      [...flags, `--window-size=${width},900`, `--screenshot=${picture}`, pathToFileURL(path.resolve(report)).href],
      { stdio: 'ignore', timeout: 60_000 },
    )
    process.stdout.write(`${picture}\n`)
  }
