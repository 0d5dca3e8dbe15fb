/** Numbers and times as people read them here. */
import { currentLang, setPlainText, setText, t } from './i18n.js';

/** What to call a person; who gave no name gets a short one that stays the same. @param {{subject: string, name: string, role?: string}} person */
export function nameOf({ subject, name, role }) {
  if (name.trim()) return name;
  return role === 'host' ? t('role.host') : t('name.nobody', { code: subject.slice(-4) });
}

/** Write a person's name; a made one follows the language. @param {Element} node @param {{subject: string, name: string, role?: string}} person */
export function setName(node, { subject, name, role }) {
  if (name.trim()) setPlainText(node, name);
  else if (role === 'host') setText(node, 'role.host');
  else setText(node, 'name.nobody', { code: subject.slice(-4) });
}

/** 75_000 -> "1:15". @param {number} ms */
export function minutes(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** 4_520_000 -> "1:15:20"; under an hour as `minutes`. @param {number} ms */
export function clock(ms) {
  const hours = Math.floor(ms / 3_600_000);
  if (hours < 1) return minutes(ms);
  return `${hours}:${minutes(ms % 3_600_000).padStart(5, '0')}`;
}

/** 12_345 -> "1.2万" / "12.3K". @param {number} count */
export function compact(count) {
  if (currentLang() === 'zh') return count < 10_000 ? String(count) : `${oneDigit(count / 10_000)}万`;
  if (count < 1000) return String(count);
  return count < 1_000_000 ? `${oneDigit(count / 1000)}K` : `${oneDigit(count / 1_000_000)}M`;
}

/** A rough length in words: "40 秒", "3 分钟", "2.5 小时". @param {number} ms */
export function roughly(ms) {
  if (ms < 60_000) return t('time.seconds', { n: Math.round(ms / 1000) });
  if (ms < 3_600_000) return t('time.minutes', { n: Math.round(ms / 60_000) });
  return t('time.hours', { n: oneDigit(ms / 3_600_000) });
}

/** 2_990 of CNY -> "¥29.90" as the language writes it. @param {number} minor @param {string} currency ISO 4217 */
export function price(minor, currency) {
  const format = new Intl.NumberFormat(currentLang() === 'zh' ? 'zh-CN' : 'en', { style: 'currency', currency });
  return format.format(minor / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

function oneDigit(value) {
  return String(Math.round(value * 10) / 10);
}
