/** Floating hearts. Decoration only: none for people who asked for calm, never more than a few. */
import { icon, prefersCalm } from './dom.js';

const MAX_FLOATING = 24;
const HUES = [345, 5, 25, 320, 45];

/** @param {HTMLElement} root @param {number} [count] */
export function floatHearts(root, count = 1) {
  if (prefersCalm() || document.visibilityState === 'hidden') return;
  for (let i = 0; i < count && root.childElementCount < MAX_FLOATING; i += 1) {
    const heart = icon('heart');
    heart.classList.add('heart');
    heart.style.setProperty('--hue', String(HUES[Math.floor(Math.random() * HUES.length)]));
    heart.style.setProperty('--drift', `${Math.round(Math.random() * 60 - 40)}px`);
    heart.style.setProperty('--size', `${Math.round(22 + Math.random() * 14)}px`);
    heart.style.animationDelay = `${i * 90}ms`;
    heart.addEventListener('animationend', () => heart.remove());
    root.append(heart);
  }
}
