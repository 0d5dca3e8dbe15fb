/** Small helpers over the DOM. Text always goes in as text, never as markup. */
import { nameOf, setName } from './format.js';
import { setAttr, setText } from './i18n.js';

const SVG = 'http://www.w3.org/2000/svg';
const ICONS = '/static/img/icons.svg';

/** @template {HTMLElement} T @param {string} id @returns {T} */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page lacks #${id}`);
  return /** @type {T} */ (node);
}

/**
 * Make an element.
 * @param {string} tag
 * @param {{class?: string, text?: string, key?: string, vars?: object, person?: object, testid?: string, label?: string,
 *          attrs?: Record<string, string|boolean|number>, on?: Record<string, (event: any) => void>}} [options]
 *   `text` is plain text, `key` a text of the dictionary, `person` one to be named, `label` a key for `aria-label`
 * @param {...(Node|string|null|undefined)} children
 */
export function el(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  if (options.class) node.className = options.class;
  if (options.text !== undefined) node.textContent = options.text;
  if (options.key) setText(node, options.key, options.vars);
  if (options.person) setName(node, options.person);
  if (options.label) setAttr(node, 'aria-label', options.label, options.vars);
  if (options.testid) node.dataset.testid = options.testid;
  for (const [name, value] of Object.entries(options.attrs ?? {})) {
    if (name.startsWith('aria-')) node.setAttribute(name, String(value));
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false) node.setAttribute(name, String(value));
  }
  for (const [type, handler] of Object.entries(options.on ?? {})) node.addEventListener(type, handler);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** @param {string} name a symbol of img/icons.svg */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** Point an icon made by `icon()` or written in HTML at another symbol. */
export function setIcon(svg, name) {
  const href = `${ICONS}#${name}`;
  const use = svg.querySelector('use');
  if (use.getAttribute('href') !== href) use.setAttribute('href', href);
}

/** A colour for a person that stays the same everywhere. @param {string} subject */
export function hueOf(subject) {
  let hash = 0;
  for (const char of subject) hash = (hash * 31 + char.codePointAt(0)) % 360;
  return hash;
}

/** Round picture with the first letter of a name. @param {{subject: string, name: string}} person */
export function avatar(person, extraClass = '') {
  const node = el('span', { class: `avatar ${extraClass}`.trim(), attrs: { 'aria-hidden': 'true' } });
  setAvatar(node, person);
  return node;
}

export function setAvatar(node, person) {
  node.textContent = [...nameOf(person)][0].toUpperCase();
  node.style.setProperty('--hue', String(hueOf(person.subject)));
}

/** Run at most once a frame, with the latest call only. @param {() => void} work */
export function oncePerFrame(work) {
  let isQueued = false;
  return () => {
    if (isQueued) return;
    isQueued = true;
    // A hidden page gets no frames; it must not starve for ever, so a timer stands behind.
    const run = () => {
      if (!isQueued) return;
      isQueued = false;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      work();
    };
    const frame = requestAnimationFrame(run);
    const timer = setTimeout(run, 250);
  };
}

export function prefersCalm() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
