/** The report as a self-contained page: it needs no server, no network and no other file. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ReportData } from './data.js'

/** Reads a file that the build makes of src/report/page, beside this file. */
const built = (name: string): string => readFileSync(new URL(`../report/page.${name}`, import.meta.url), 'utf8')

/**
 * The page of a report. All data may come from a hostile worker: names of tests, paths, addresses. The page contains it
 * as JSON in which no character can end its element; the script makes nothing but text nodes of it; and the page's
 * Content-Security-Policy allows no other script and loads nothing.
 */
export function reportPage(data: ReportData): string {
  const [script, style] = [built('js'), built('css')]
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>What the tests used</title>
<style>${style}</style>
</head>
<body>
<noscript>This report needs JavaScript. The same facts are in its JSON.</noscript>
<script type="application/json" id="data">${asScriptText(data)}</script>
<script>${script}</script>
</body>
</html>
`
}

/** JSON without the characters that are special in HTML or in old JavaScript. */
function asScriptText(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
