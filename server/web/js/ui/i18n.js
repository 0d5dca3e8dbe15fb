/**
 * Texts in 中文 and English. The language is `?lang=`, else what was chosen before, else the
 * browser's. Texts set through `setText`/`setAttr` or `data-i18n…` follow a switch at once.
 */
import en from './lang/en.js';
import zh from './lang/zh.js';

const TEXTS = { zh, en };
const STORED = 'lianmai.lang';
/** HTML attributes that may carry a text, as `data-i18n-<attribute>`. */
const ATTRIBUTES = ['placeholder', 'aria-label', 'title'];

/** @type {Set<() => void>} */ const listeners = new Set();
/** @type {Set<WeakRef<Element>>} */ const nodes = new Set();
/** @type {WeakMap<Element, Map<string, {key: string, vars?: object}>>} */
const bound = new WeakMap();
let lang = firstLang();

/** @returns {'zh'|'en'} */
export function currentLang() {
  return lang;
}

/** The text of a key; `{name}` takes `vars.name`. @param {string} key @param {Record<string, any>} [vars] */
export function t(key, vars = {}) {
  const text = TEXTS[lang][key] ?? TEXTS.en[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(vars[name] ?? whole));
}

/** @param {string} key */
export function hasText(key) {
  return key in TEXTS.en;
}

/** Give an element a text that follows the language. */
export function setText(node, key, vars) {
  bind(node, 'textContent', key, vars);
}

/** Give an element a text of nobody's language; what it had no longer follows. */
export function setPlainText(node, text) {
  bound.get(node)?.delete('textContent');
  if (node.textContent !== text) node.textContent = text;
}

/** Give an attribute a text that follows the language. */
export function setAttr(node, attribute, key, vars) {
  bind(node, attribute, key, vars);
}

/** Take what `data-i18n…` attributes under `root` say; call once per page. */
export function translatePage(root = document) {
  for (const node of root.querySelectorAll('[data-i18n]')) setText(node, node.dataset.i18n);
  for (const attribute of ATTRIBUTES) {
    for (const node of root.querySelectorAll(`[data-i18n-${attribute}]`)) {
      setAttr(node, attribute, node.getAttribute(`data-i18n-${attribute}`));
    }
  }
  markDocument();
}

/** @param {() => void} listener called after each switch */
export function onLangChange(listener) {
  listeners.add(listener);
}

/** @param {'zh'|'en'} next */
export function switchLang(next) {
  lang = next;
  store(next);
  for (const ref of nodes) {
    const node = ref.deref();
    if (!node) nodes.delete(ref);
    else for (const [target, text] of bound.get(node) ?? []) write(node, target, text);
  }
  markDocument();
  for (const listener of listeners) listener();
}

/** Turn a button into the language switch; it shows the other language. */
export function mountLangSwitch(button) {
  const show = () => {
    button.textContent = lang === 'zh' ? 'EN' : '中文';
    button.setAttribute('aria-label', lang === 'zh' ? 'Switch to English' : '切换到中文');
    button.lang = lang === 'zh' ? 'en' : 'zh-CN';
  };
  button.addEventListener('click', () => switchLang(lang === 'zh' ? 'en' : 'zh'));
  onLangChange(show);
  show();
}

function bind(node, target, key, vars) {
  if (!bound.has(node)) {
    bound.set(node, new Map());
    nodes.add(new WeakRef(node));
  }
  const text = { key, vars };
  bound.get(node).set(target, text);
  write(node, target, text);
}

function write(node, target, { key, vars }) {
  const text = t(key, vars);
  if (target === 'textContent') {
    if (node.textContent !== text) node.textContent = text;
  } else {
    node.setAttribute(target, text);
  }
}

function markDocument() {
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
}

function firstLang() {
  const asked = new URLSearchParams(location.search).get('lang');
  if (asked === 'zh' || asked === 'en') {
    store(asked);
    return asked;
  }
  const known = stored();
  if (known === 'zh' || known === 'en') return known;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

// Storage throws where cookies are blocked; the choice then lasts as long as the page.
function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

function store(value) {
  try {
    localStorage.setItem(STORED, value);
  } catch {
    /* see stored() */
  }
}
