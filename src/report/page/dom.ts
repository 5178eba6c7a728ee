/** Creates elements from nodes and text only: data is never parsed as HTML. */

type ElementChild = Node | string | undefined

interface Props {
  readonly class?: string
  readonly title?: string
  readonly id?: string
  readonly href?: string
  readonly tabindex?: number
  readonly on?: { readonly [event: string]: (event: Event) => void }
  /** Attributes by name: `role`, `aria-…`. */
  readonly [attribute: string]: string | number | undefined | object
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: ElementChild[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), props, children)
}

const SVG = 'http://www.w3.org/2000/svg'

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: ElementChild[]
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS(SVG, tag), props, children)
}

function filled<E extends Element>(
  element: E,
  { on = {}, ...attributes }: Props,
  children: readonly ElementChild[],
): E {
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && typeof value !== 'object') element.setAttribute(name, String(value))
  for (const [event, listener] of Object.entries(on)) element.addEventListener(event, listener)
  for (const child of children) if (child !== undefined) element.append(child)
  return element
}

export function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`
}

/** A time span in the units that people read. */
export function span(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
}
